// What this service serves, by its own description: what it does not serve is not shown, and not asked for.

import { BASE } from "./api.js";

let description;

/** Whether the service has this request, as `GET /v1/overview`. */
export async function serves(request) {
  const [method, path] = request.split(" ");
  description ??= fetch(new URL("openapi.json", BASE), { credentials: "omit" }).then((answer) => answer.json());
  const { paths } = await description.catch(() => {
    // It is asked for again the next time.
    description = undefined;
    return { paths: {} };
  });
  return paths[path]?.[method.toLowerCase()] !== undefined;
}
