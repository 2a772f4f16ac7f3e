import { type Static, type TSchema, Type } from 'typebox';
import { Check } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { type HubAccess, requestHub } from './hub-request-file.ts';
import { withRetries } from './retry.ts';

/** A file of a dataset's repository at the Hub. */
export interface HubFile {
  readonly path: string;
  readonly url: string;
  readonly sizeBytes: number;
  /** Of the content; for small files that are stored in git itself, of the blob: `blob <size>\0` and the content. */
  readonly hash: { readonly algorithm: 'sha256' | 'git-sha1'; readonly value: string };
}

export interface HubListing {
  /** The commit that the revision stood for when it was asked: what is downloaded stays of one piece. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

const commitSchema = Type.Object({ sha: Type.String({ pattern: '^[0-9a-f]{40}$' }) });
const entriesSchema = Type.Array(
  Type.Object({
    type: Type.String(),
    path: Type.String(),
    oid: Type.String(),
    size: Type.Number({ minimum: 0 }),
    lfs: Type.Optional(
      Type.Object({ oid: Type.String({ pattern: '^[0-9a-f]{64}$' }), size: Type.Number({ minimum: 0 }) }),
    ),
  }),
);
const maximumAnswerBytes = 2 ** 24;

/**
 * Lists the files in folders of a dataset's repository, with their hashes.
 *
 * @param revision - A branch, tag or commit.
 * @param folders - Paths in the repository; `''` is its root. Their own folders are not entered.
 * @throws {@link IteraError} `DOWNLOAD_REFUSED`, `DOWNLOAD_FAILED` (also if the answer is not what the Hub's API gives),
 *   `ABORTED`.
 * @see The Hub's API: `/api/datasets/{repository}/revision/{revision}` and `/tree/{revision}/{path}`.
 */
export async function listHubFiles(
  repository: string,
  revision: string,
  folders: readonly string[],
  access: HubAccess,
): Promise<HubListing> {
  const { endpoint } = access.settings;
  const api = `${endpoint}/api/datasets/${repository}`;
  const { answer } = await readJson(`${api}/revision/${encodeURIComponent(revision)}`, commitSchema, access);
  const commit = answer.sha;
  const files: HubFile[] = [];
  for (const folder of folders) {
    let page: string | undefined = `${api}/tree/${commit}${folder === '' ? '' : `/${encodePath(folder)}`}`;
    while (page !== undefined) {
      const { answer: entries, next }: JsonAnswer<typeof entriesSchema> = await readJson(page, entriesSchema, access);
      for (const { type, path, oid, size, lfs } of entries) {
        if (type !== 'file') continue;
        files.push({
          path,
          url: `${endpoint}/datasets/${repository}/resolve/${commit}/${encodePath(path)}`,
          sizeBytes: lfs?.size ?? size,
          hash: lfs ? { algorithm: 'sha256', value: lfs.oid } : { algorithm: 'git-sha1', value: oid },
        });
      }
      page = next;
    }
  }
  return { commit, files };
}

interface JsonAnswer<T extends TSchema> {
  readonly answer: Static<T>;
  /** Address of the next page. */
  readonly next: string | undefined;
}

async function readJson<T extends TSchema>(address: string, schema: T, access: HubAccess): Promise<JsonAnswer<T>> {
  return withRetries(
    `list files at ${new URL(address).host}`,
    async () => {
      const response = await requestHub(address, access);
      const blocks: Uint8Array[] = [];
      let size = 0;
      for await (const block of response.blocks()) {
        size += block.length;
        if (size > maximumAnswerBytes) throw unexpected(address, `more than ${maximumAnswerBytes} bytes`);
        blocks.push(block);
      }
      const answer = parseJson(Buffer.concat(blocks).toString('utf8'), address);
      if (!Check(schema, answer)) throw unexpected(address, 'JSON of another form');
      const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
      return { answer, next: next === undefined ? undefined : new URL(next, address).href };
    },
    access.retry,
    access.signal,
  );
}

function parseJson(text: string, address: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unexpected(address, JSON.stringify(text.slice(0, 60)));
  }
}

function unexpected(address: string, came: string): IteraError {
  return new IteraError(
    'DOWNLOAD_FAILED',
    `Expected a list of files as the Hugging Face Hub gives it from ${address}, got ${came}. Check HF_ENDPOINT and ` +
      'whether a login page stands between.',
    { url: address },
  );
}

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');
