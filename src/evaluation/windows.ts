/** A stretch of a document's tokens that is run at once, and the part of it that is scored. */
export interface Window {
  /** First token of the window, counted in the document's inputs. */
  readonly start: number;
  readonly end: number;
  /** Tokens from here to `end` are scored; those before are context. */
  readonly scoreFrom: number;
}

/**
 * Windows that together score each of `length` positions exactly once: the first scores all it holds, each later one the
 * `stride` positions that are new, with the rest of its `contextLength` as context.
 *
 * @param length - Positions in the document.
 */
export function planWindows(length: number, contextLength: number, stride: number): readonly Window[] {
  const windows: Window[] = [];
  for (let scored = 0; scored < length; ) {
    const end = scored === 0 ? Math.min(length, contextLength) : Math.min(length, scored + stride);
    windows.push({ start: Math.max(0, end - contextLength), end, scoreFrom: scored });
    scored = end;
  }
  return windows;
}
