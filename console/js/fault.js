// What is wrong with something that was typed, and where.

export class Fault extends Error {
  /** `control` is to be corrected. */
  constructor(text, control) {
    super(text);
    this.control = control;
  }
}

/** What was typed, without the space around it; throws a [Fault] if that is nothing. */
export function given(control, text) {
  const value = control.value.trim();
  if (value === "") throw new Fault(text, control);
  return value;
}
