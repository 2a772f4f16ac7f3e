/** What a page says of a block to whoever runs it, in comments right before it: see docs/contributing/documentation.md. */
export interface BlockNotes {
  /** Why it cannot be run. */
  readonly notRun?: string;
  /** Why what it printed is not compared with the page. */
  readonly notCompared?: string;
  /** Smaller values for what would take too long. */
  readonly replacements: readonly { readonly from: string; readonly to: string }[];
  /** It goes on until the page ends or another block stays up; this text says that it is ready. */
  readonly staysUp?: string;
  /** Address of the web page that shows it; else it is what the block before printed. */
  readonly shownBy?: string;
  /** Exit code; 0 unless said. */
  readonly exitCode: number;
}

/** A fenced block of a Markdown page. */
export interface Block {
  readonly language: string;
  /** Second word of the fence: the file that a reader saves it as. */
  readonly file?: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  readonly text: string;
  readonly notes: BlockNotes;
  /** The paragraph before it. */
  readonly lead: string;
}

const kinds: readonly [RegExp, (match: RegExpExecArray) => Partial<BlockNotes>][] = [
  [/^not run: (.+)$/, ([, reason = '']) => ({ notRun: reason })],
  [/^not compared: (.+)$/, ([, reason = '']) => ({ notCompared: reason })],
  [/^stays up, says "(.+)"$/, ([, ready = '']) => ({ staysUp: ready })],
  [/^shown by (\S+)$/, ([, address = '']) => ({ shownBy: address })],
  [/^ends with (\d+)$/, ([, code]) => ({ exitCode: Number(code) })],
];

/**
 * The fenced blocks of a page with their notes.
 *
 * @throws Error for a fence that is never closed, and for a note that is none or belongs to no block.
 */
export function readBlocks(markdown: string): Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  let notes: string[] = [];
  let lead = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    const note = /^<!-- in CI: (.*) -->$/.exec(line);
    const fence = /^```(\S*) ?(\S*)$/.exec(line);
    if (note) notes.push(note[1] as string);
    else if (fence) {
      const end = lines.indexOf('```', at + 1);
      if (end < 0) throw new Error(`Line ${at + 1}: the block is never closed.`);
      const [, language = '', file] = fence;
      const text = lines
        .slice(at + 1, end)
        .map((inner) => `${inner}\n`)
        .join('');
      blocks.push({ language, ...(file && { file }), line: at + 1, text, notes: readNotes(notes, at + 1), lead });
      notes = [];
      at = end;
    } else if (line.trim() !== '') {
      if (notes.length > 0) throw new Error(`Line ${at + 1}: expected the block that "${notes[0]}" is said of.`);
      lead = lines[at - 1]?.trim() ? `${lead}\n${line}` : line;
    }
  }
  if (notes.length > 0) throw new Error(`"${notes[0]}" is said of no block.`);
  return blocks;
}

function readNotes(notes: readonly string[], line: number): BlockNotes {
  const replacements: { from: string; to: string }[] = [];
  let others: Partial<BlockNotes> = {};
  for (const note of notes) {
    const found = kinds.flatMap(([pattern, read]) => {
      const match = pattern.exec(note);
      return match ? [read(match)] : [];
    })[0];
    const [from, to, more] = note.split(' => ');
    if (found) others = { ...others, ...found };
    else if (from !== undefined && to !== undefined && more === undefined) replacements.push({ from, to });
    else throw new Error(`Line ${line}: "${note}" is no note.`);
  }
  return { exitCode: 0, ...others, replacements };
}

/**
 * The text with the smaller values in place.
 *
 * @throws Error if one of those to be replaced is not there.
 */
export function replaceValues({ text, notes, line }: Block): string {
  return notes.replacements.reduce((changed, { from, to }) => {
    if (!changed.includes(from)) throw new Error(`Line ${line}: the block has no "${from}" to replace.`);
    return changed.replaceAll(from, to);
  }, text);
}

/** Numbers and the widths of tables differ from run to run and machine to machine: what is left is compared. */
function comparable(line: string): string {
  return line
    .replaceAll(/(?<!\w)[+−-]?\d+([.,]\d+)*/g, '#')
    .replaceAll(/[─┌┬┐├┼┤└┴┘]+/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** The first line of what a page shows that is not, in this order, in what was printed; lines of `…` stand for any. */
export function findMissingLine(shown: string, printed: string): string | undefined {
  const there = printed.split(/[\n\r]/).map(comparable);
  let from = 0;
  for (const line of shown.split('\n')) {
    const wanted = comparable(line.replace(/…$/, ''));
    if (wanted === '') continue;
    const isOpen = line.endsWith('…');
    const at = there.findIndex((one, index) => index >= from && (isOpen ? one.startsWith(wanted) : one === wanted));
    if (at < 0) return line;
    from = at + 1;
  }
  return undefined;
}
