// Leads to a message by its id, as a log line or the command shows it.

import { addForm } from "../add-form.js";
import { address } from "../routes.js";

export const findMessage = () =>
  addForm({ label: "Find a message by its id", action: "Find", add: (id) => (location.hash = address("messages", id)) });
