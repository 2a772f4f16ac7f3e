import { createDocumentSplitter } from './documents.ts';

/** The line after each story. */
export const storyEnd = '<|endoftext|>';
/** Stories in each of the two validation texts. */
export const validationStories = 1872;

/**
 * A line of WikiText's raw files from a row of its table: rows keep their line break, but blank lines, which are a space
 * in the raw files, were emptied.
 */
export function wikiTextLine(row: string): string {
  return row === '' ? ' \n' : row;
}

/** A story as the datasets here have it: no spaces at the ends of lines, no blank lines; empty if nothing is left. */
export function tidyStory(story: string): string {
  return story
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n');
}

/**
 * The whole stories of a TinyStories text file, whose beginning is the end of a story that was cut off.
 *
 * @param blocks - Text of the file, in order.
 */
export async function* wholeStories(blocks: AsyncIterable<string>): AsyncGenerator<string> {
  const splitter = createDocumentSplitter('endoftext');
  let isFragment = true;
  for await (const block of blocks) {
    for (const { text } of splitter.push(block)) {
      const story = tidyStory(text);
      if (!isFragment && story !== '') yield story;
      isFragment = false;
    }
  }
  // What has no end-of-text mark after it may be cut off too, and is not needed.
}
