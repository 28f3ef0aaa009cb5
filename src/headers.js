/** The headers of a request, each as two lines: its name in lower case, and its value. Neither can contain a line's end. */
export function lines(headers) {
  let lines = "";
  for (const [name, value] of headers) lines += `${name}\n${value}\n`;
  return lines;
}
