import { ApiError } from './http.ts';

/** An error in words, with what to do about it where that is known. */
export function faultText(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 401) return 'This needs a key; see the top of the page.';
  if (error.status === 403) return `The key does not allow this. ${error.message}`;
  if (error.code === 'no_store') {
    return 'This server keeps no feedback and no versions. Start it with a store: itera-lite serve --store my-store';
  }
  return error.message;
}

/** Why something is not shown. */
export function Fault({ error }: { readonly error: unknown }) {
  return <p class="fault">{faultText(error)}</p>;
}
