// The form that asks for a credential.

const view = document.getElementById("sign-in");
const form = view.querySelector("form");
const input = document.getElementById("credential");
const error = document.getElementById("sign-in-error");

/** `enter(credential)` opens the console, or throws what is to be said. */
export function onSignIn(enter) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const credential = input.value.trim();
    if (!credential) return fail("Enter the admin key, the viewer key or a device’s token.");
    fail("");
    const submit = form.querySelector("button");
    submit.disabled = true;
    try {
      await enter(credential);
      input.value = "";
    } catch (failure) {
      fail(failure.message);
    } finally {
      submit.disabled = false;
    }
  });
}

export function showSignIn(why = "") {
  view.hidden = false;
  fail(why);
}

function fail(text) {
  error.textContent = text;
  input.setAttribute("aria-invalid", text !== "");
  input.focus();
}
