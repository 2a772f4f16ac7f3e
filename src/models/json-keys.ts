/**
 * The first key that an object of a JSON text states twice, or undefined. `JSON.parse` keeps the last one silently,
 * so that two readers of one file may see different things in it.
 *
 * @param text - Text that `JSON.parse` accepts.
 */
export function findDuplicateKey(text: string): string | undefined {
  // One set of keys per open object; undefined per open array.
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (let index = 0; index < text.length; index++) {
    switch (text[index]) {
      case '{':
        open.push(new Set());
        break;
      case '[':
        open.push(undefined);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = findStringEnd(text, index);
        last = text.slice(index, end + 1);
        index = end;
        break;
      }
      case ':': {
        // Only a key stands before a colon; parsed, because escapes can spell one name in many ways.
        const key = JSON.parse(last) as string;
        const keys = open.at(-1);
        if (keys?.has(key)) {
          return key;
        }
        keys?.add(key);
        break;
      }
    }
  }
  return undefined;
}

/** Index of the quote that closes the string opened at `start`. */
function findStringEnd(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === '\\') {
      index++;
    } else if (text[index] === '"') {
      return index;
    }
  }
  return text.length - 1;
}
