// JSON as it is written: where the parts of a text lie, so that they can be had character for character.
// `JSON.parse` rounds numbers beyond 2^53.
//
// It reads text that `JSON.parse` has accepted; of any other text the parts mean nothing. No recursion, so
// that no depth exhausts the stack.

const STRUCTURE = /["[\]{}]/g;
const AFTER_SCALAR = /[\s,\]}]|$/g;
const VISIBLE = /\S|$/g;

/**
 * The text of one member of an object, `undefined` where it has none of this name.
 *
 * @param {string} object
 * @param {string} name
 */
export function member(object, name) {
  for (const [key, value] of entries(object)) if (JSON.parse(key) === name) return value;
  return undefined;
}

/** The texts of an array's elements. @param {string} array @returns {Generator<string, void, void>} */
export function* elements(array) {
  for (let at = visible(array, 1); array[at] !== "]" && at < array.length; at = visible(array, at + 1)) {
    const end = endOfValue(array, at);
    yield array.slice(at, end);
    at = visible(array, end);
    if (array[at] === "]") return;
  }
}

/** How deep arrays and objects are nested. @param {string} json */
export function depth(json) {
  let deepest = 0;
  let depth = 0;
  for (let at = find(STRUCTURE, json, 0); at < json.length; at = find(STRUCTURE, json, at)) {
    if (json[at] === '"') at = endOfString(json, at);
    else if ("[{".includes(json[at++] ?? "")) deepest = Math.max(deepest, ++depth);
    else depth -= 1;
  }
  return deepest;
}

/** @param {string} object @returns {Generator<[key: string, value: string], void, void>} */
function* entries(object) {
  for (let at = visible(object, 1); object[at] === '"'; at = visible(object, at + 1)) {
    const key = object.slice(at, endOfString(object, at));
    at = visible(object, visible(object, at + key.length) + 1);
    const end = endOfValue(object, at);
    yield [key, object.slice(at, end)];
    at = visible(object, end);
    if (object[at] === "}") return;
  }
}

/**
 * @param {string} text
 * @param {number} at
 */
function endOfValue(text, at) {
  if (text[at] === '"') return endOfString(text, at);
  if (text[at] !== "[" && text[at] !== "{") return find(AFTER_SCALAR, text, at);
  let depth = 0;
  do {
    at = find(STRUCTURE, text, at);
    if (text[at] === '"') at = endOfString(text, at);
    else depth += "[{".includes(text[at++] ?? "") ? 1 : -1;
  } while (depth > 0 && at < text.length);
  return at;
}

/**
 * @param {string} text
 * @param {number} at where its first quotation mark is
 */
function endOfString(text, at) {
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let before = at;
    while (text[before - 1] === "\\") before -= 1;
    // A backslash that is escaped itself escapes nothing.
    if ((at - before) % 2 === 0) return at + 1;
  }
}

/**
 * @param {string} text
 * @param {number} at
 */
function visible(text, at) {
  return find(VISIBLE, text, at);
}

/**
 * @param {RegExp} what
 * @param {string} text
 * @param {number} from
 */
function find(what, text, from) {
  what.lastIndex = from;
  return what.exec(text)?.index ?? text.length;
}
