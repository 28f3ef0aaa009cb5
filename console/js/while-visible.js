// Doing something again and again while somebody looks.

/**
 * Does `work` after every `interval` milliseconds while the tab is visible, and soon after it has become visible again.
 * What it throws is its own affair. Returns what ends that.
 */
export function whileVisible(work, interval) {
  let timer;
  let isBusy = false;
  let isEnded = false;
  let last = Date.now();

  function plan() {
    clearTimeout(timer);
    if (isEnded || isBusy || document.hidden) return;
    timer = setTimeout(go, Math.max(0, last + interval - Date.now()));
  }

  async function go() {
    isBusy = true;
    await work();
    isBusy = false;
    last = Date.now();
    plan();
  }

  document.addEventListener("visibilitychange", plan);
  plan();
  return () => {
    isEnded = true;
    plan();
    document.removeEventListener("visibilitychange", plan);
  };
}
