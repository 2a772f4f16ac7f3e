/**
 * The byte alphabet of GPT-2: every byte has one printable character, so that a vocabulary of byte strings can be
 * written as JSON. Printable bytes of Latin-1 stand for themselves; the other 68 take U+0100 onwards, in order.
 *
 * @see Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
 */
export const byteCharacters: readonly string[] = listByteCharacters();

const bytesByCharacter: ReadonlyMap<string, number> = new Map(
  byteCharacters.map((character, byte) => [character, byte]),
);

/** Writes bytes in the alphabet, one character per byte. */
export function bytesToCharacters(bytes: Uint8Array): string {
  let characters = '';
  for (const byte of bytes) characters += byteCharacters[byte];
  return characters;
}

/** Reads characters of the alphabet back to bytes, or `undefined` if one is not of the alphabet. */
export function charactersToBytes(characters: string): Uint8Array | undefined {
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < characters.length; index++) {
    const byte = bytesByCharacter.get(characters[index] as string);
    if (byte === undefined) return undefined;
    bytes[index] = byte;
  }
  return bytes;
}

function listByteCharacters(): string[] {
  let shifted = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintableLatin1(byte) ? byte : shifted++));
}

function isPrintableLatin1(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
}
