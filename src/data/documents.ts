import { IteraError } from '../core/errors.ts';
import { countWords, detokeniseWikiText, isTitleLine } from './wikitext-page.ts';

/** A text that is trained on or scored as a whole. */
export interface TextDocument {
  /** What a model reads. */
  readonly text: string;
  /** UTF-8 bytes of the original, by which scores are divided; differs from the text's own for WikiText. */
  readonly originalBytes: number;
  /** Words of the original: parts between runs of white space. */
  readonly originalWords: number;
}

/**
 * How a file's documents are told apart.
 *
 * - `endoftext`: by lines `<|endoftext|>`. Line breaks around a document are not part of it; a document of white space
 *   only is none. Without any such line, the file is one document, every byte of it. A document of more than 2^20
 *   characters is cut at line ends (a line of that length, at white space) into parts that count as documents, so that
 *   memory stays small whatever the file.
 * - `wikitext-articles`: an article begins at a line ` = Title = ` with a blank line (or the file's start) before it and
 *   a blank line after it. The line break before the next title is not part of the article. Its text is detokenised.
 * - `wikitext-pages`: the same, but every line of that form begins a page, blank lines or not. This is what
 *   lm-evaluation-harness scores; formulas broken over lines make it cut an article of the test split in three.
 */
export type SeparatorKind = 'endoftext' | 'wikitext-articles' | 'wikitext-pages';

/** Splits text that arrives in blocks; holds no more than one document and one line. */
export interface DocumentSplitter {
  /** Documents that this block completes. */
  push(text: string): TextDocument[];
  /** The last documents. */
  end(): TextDocument[];
}

/** Longer documents are cut into parts: far more text than any model here can look back on. */
const maximumPartLength = 2 ** 20;
/** No page of WikiText comes near this; one that does is another kind of file. */
const maximumPageLength = 2 ** 26;

/**
 * @throws {@link IteraError} from `push`, `INVALID_ARGUMENT` if a page of WikiText has more than 2^26 UTF-16 units.
 */
export function createDocumentSplitter(kind: SeparatorKind): DocumentSplitter {
  const rule = kind === 'endoftext' ? createMarkRule() : createTitleRule(kind === 'wikitext-articles');
  let unfinishedLine = '';
  return {
    push(text) {
      const documents: TextDocument[] = [];
      let start = 0;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        rule.readLine(unfinishedLine + text.slice(start, end), documents);
        unfinishedLine = '';
        start = end + 1;
      }
      unfinishedLine += text.slice(start);
      while (unfinishedLine.length > maximumPartLength) {
        const end = cutPlace(unfinishedLine.slice(0, maximumPartLength));
        rule.readBeginning(unfinishedLine.slice(0, end), documents);
        unfinishedLine = unfinishedLine.slice(end);
      }
      return documents;
    },
    end() {
      const documents: TextDocument[] = [];
      rule.readLine(unfinishedLine, documents);
      rule.finish(documents);
      return documents;
    },
  };
}

/** Splits a text that is in memory as a whole; see {@link SeparatorKind}. */
export function splitDocuments(text: string, kind: SeparatorKind): TextDocument[] {
  const splitter = createDocumentSplitter(kind);
  return [...splitter.push(text), ...splitter.end()];
}

/**
 * The documents of one record, such as a row of a table: the text itself, none if it is only white space, or its parts
 * if it has more than 2^20 characters.
 */
export function recordDocuments(text: string): TextDocument[] {
  const documents: TextDocument[] = [];
  for (let start = 0; start < text.length; ) {
    const rest = text.length - start;
    const end = rest > maximumPartLength ? start + cutPlace(text.slice(start, start + maximumPartLength)) : text.length;
    const part = text.slice(start, end);
    if (part.trim() !== '') documents.push(plainDocument(part));
    start = end;
  }
  return documents;
}

/** A document whose scores are divided by its own bytes and words. */
export function plainDocument(text: string): TextDocument {
  return { text, originalBytes: countUtf8Bytes(text), originalWords: countWords(text) };
}

interface LineRule {
  readLine(line: string, documents: TextDocument[]): void;
  /** The beginning of a very long line, whose rest comes later. */
  readBeginning(text: string, documents: TextDocument[]): void;
  finish(documents: TextDocument[]): void;
}

function createMarkRule(): LineRule {
  const lines = createLineBuffer();
  let sawMark = false;
  let isContinued = false;
  function emit(text: string, isLast: boolean, documents: TextDocument[]): void {
    const trimmed = sawMark ? trimLineBreaks(text, { start: !isContinued, end: isLast }) : text;
    if (text.trim() !== '') documents.push(plainDocument(trimmed));
    isContinued = !isLast;
  }
  return {
    readLine(line, documents) {
      if (line === '<|endoftext|>' || line === '<|endoftext|>\r') {
        sawMark = true;
        emit(lines.take(), true, documents);
        return;
      }
      lines.add(line);
      if (lines.length() > maximumPartLength) emit(`${lines.take()}\n`, false, documents);
    },
    readBeginning(text, documents) {
      lines.add(text);
      emit(lines.take(), false, documents);
    },
    finish: (documents) => emit(lines.take(), true, documents),
  };
}

function createTitleRule(needsBlankLines: boolean): LineRule {
  const lines = createLineBuffer();
  // The title waits for the line after it, which decides whether it is one.
  let waitingTitle: string | undefined;
  let afterBlank = true;
  function close(documents: TextDocument[]): void {
    const page = lines.take();
    if (page.trim() === '') return;
    documents.push({
      text: detokeniseWikiText(page),
      originalBytes: countUtf8Bytes(page),
      originalWords: countWords(page),
    });
  }
  function settleTitle(beforeBlank: boolean, documents: TextDocument[]): void {
    if (waitingTitle === undefined) return;
    if (beforeBlank || !needsBlankLines) close(documents);
    lines.add(waitingTitle);
    waitingTitle = undefined;
  }
  return {
    readLine(line, documents) {
      const blank = line.trim() === '';
      settleTitle(blank, documents);
      if ((afterBlank || !needsBlankLines) && isTitleLine(line)) waitingTitle = line;
      else lines.add(line);
      if (lines.length() > maximumPageLength) throw pageTooLong(lines.length());
      afterBlank = blank;
    },
    readBeginning(text) {
      throw pageTooLong(text.length);
    },
    finish(documents) {
      settleTitle(false, documents);
      close(documents);
    },
  };
}

function createLineBuffer() {
  let lines: string[] = [];
  let length = 0;
  return {
    add(line: string): void {
      lines.push(line);
      length += line.length + 1;
    },
    length: () => length,
    take(): string {
      const text = lines.join('\n');
      lines = [];
      length = 0;
      return text;
    },
  };
}

function trimLineBreaks(text: string, sides: { readonly start: boolean; readonly end: boolean }): string {
  let start = 0;
  let end = text.length;
  while (sides.start && start < end && isLineBreak(text.charCodeAt(start))) start++;
  while (sides.end && end > start && isLineBreak(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/** Just after the last white space; at the end if there is none, but not inside a surrogate pair. */
function cutPlace(text: string): number {
  for (let end = text.length; end > 0; end--) if (/\s/.test(text.charAt(end - 1))) return end;
  const unit = text.charCodeAt(text.length - 1);
  return unit >= 0xd800 && unit < 0xdc00 ? text.length - 1 : text.length;
}

function isLineBreak(unit: number): boolean {
  return unit === 0x0a || unit === 0x0d;
}

function countUtf8Bytes(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    // Each half of a surrogate pair counts two: the pair's character has four bytes.
    else bytes += unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
  }
  return bytes;
}

function pageTooLong(length: number): IteraError {
  return new IteraError(
    'INVALID_ARGUMENT',
    `Expected WikiText, with pages of at most ${maximumPageLength} characters, got one of ${length} or more.`,
    { length, maximumPageLength },
  );
}
