// JSON on several lines, with every character of its values as it was written.

const TOKEN = /"(?:[^"\\]+|\\[^])*"|[{}[\],:]|[^\s{}[\],:"]+/g;
const INDENT = "  ";

/** A JSON text, indented. */
export function indented(json) {
  const tokens = json.match(TOKEN) ?? [];
  let depth = 0;
  const line = () => `\n${INDENT.repeat(depth)}`;
  return tokens
    .map((token, at) => {
      if (token === ":") return ": ";
      if (token === ",") return `,${line()}`;
      if (token === "{" || token === "[") {
        if (isEnd(tokens[at + 1])) return token;
        depth += 1;
        return `${token}${line()}`;
      }
      if (!isEnd(token)) return token;
      if (tokens[at - 1] === "{" || tokens[at - 1] === "[") return token;
      depth -= 1;
      return `${line()}${token}`;
    })
    .join("");
}

const isEnd = (token) => token === "}" || token === "]";
