import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../core/errors.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { replaceFile } from './atomic-file.ts';
import type { TokenizedDataset } from './batches.ts';
import { cacheFolder } from './cache-folder-file.ts';
import type { Dataset } from './dataset-files.ts';
import { makeFolder } from './folder-file.ts';

export interface LoadTokensOptions {
  /** Folder of the cache; default: `ITERA_CACHE_DIR`, else the user's cache folder. */
  readonly cacheDir?: string;
  readonly signal?: AbortSignal;
  /** Called after each document when the tokens have to be made. */
  readonly onProgress?: (progress: { readonly documents: number; readonly bytes: number }) => void;
}

export interface CachedTokens extends TokenizedDataset {
  /**
   * `hit`: read from the cache; `built`: made and kept; `rebuilt`: the same, in place of a damaged file; `unwritable`:
   * made but not kept, because the folder does not allow it.
   */
  readonly cache: { readonly status: 'hit' | 'built' | 'rebuilt' | 'unwritable'; readonly path: string };
}

/** To be raised whenever the same text and tokenizer would give other bytes. */
const formatVersion = 1;
const magic = 'ITERATOK';
/** Magic, then as uint32: version, bytes per token, tokens, documents; then totalBytes as float64 and a sha256. */
const headerBytes = 64;
const bodySha256Offset = 32;

/**
 * The tokens of a dataset, from the cache if they are there whole.
 *
 * @param tokenizerSha256 - Hash of the tokenizer's file; with the dataset's own it names the cached file.
 * @returns Tokens as uint16 if V ≤ 65,536, else uint32: the end-of-text mark before every document, none after the last.
 * No token spans two documents.
 * @throws {@link IteraError} what {@link Dataset.documents} throws, and `ABORTED`.
 */
export async function loadTokens(
  dataset: Dataset,
  tokenizer: Tokenizer,
  tokenizerSha256: string,
  options: LoadTokensOptions = {},
): Promise<CachedTokens> {
  const folder = cacheFolder(options.cacheDir);
  const { sha256, separator, reading } = dataset;
  const parts = [formatVersion, sha256, separator, tokenizerSha256, ...(reading === undefined ? [] : [reading])];
  const key = parts.join(' ');
  const path = join(folder, 'tokens', `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.tokens`);
  const stored = await readStored(path);
  const cached = stored === undefined ? undefined : decodeTokens(stored);
  if (cached !== undefined) return { name: dataset.name, ...cached, cache: { status: 'hit', path } };

  const made = await tokenize(dataset, tokenizer, options);
  const kept = await store(join(folder, 'tokens'), path, encodeTokens(made));
  const status = !kept ? 'unwritable' : stored === undefined ? 'built' : 'rebuilt';
  return { name: dataset.name, ...made, cache: { status, path } };
}

type Tokens = Omit<TokenizedDataset, 'name'>;

async function tokenize(dataset: Dataset, tokenizer: Tokenizer, options: LoadTokensOptions): Promise<Tokens> {
  const TokenArray = tokenizer.vocabSize <= 2 ** 16 ? Uint16Array : Uint32Array;
  // English text comes to about four bytes a token; doubling covers the rest.
  let tokens = new TokenArray(Math.max(1024, dataset.sizeBytes >> 2));
  let count = 0;
  let totalBytes = 0;
  const documentStarts: number[] = [];
  for await (const { text, originalBytes } of dataset.documents()) {
    throwIfAborted(options.signal);
    const ids = tokenizer.encode(text);
    if (count + ids.length + 1 > tokens.length) {
      const larger = new TokenArray(2 * tokens.length + ids.length + 1);
      larger.set(tokens);
      tokens = larger;
    }
    documentStarts.push(count);
    tokens[count] = tokenizer.eosId;
    tokens.set(ids, count + 1);
    count += ids.length + 1;
    totalBytes += originalBytes;
    options.onProgress?.({ documents: documentStarts.length, bytes: totalBytes });
  }
  return { tokens: tokens.slice(0, count), documentStarts: Uint32Array.from(documentStarts), totalBytes };
}

function encodeTokens({ tokens, documentStarts, totalBytes }: Tokens): Buffer {
  const body = Buffer.concat([bytesOf(documentStarts), bytesOf(tokens)]);
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 'latin1');
  header.writeUInt32LE(formatVersion, 8);
  header.writeUInt32LE(tokens.BYTES_PER_ELEMENT, 12);
  header.writeUInt32LE(tokens.length, 16);
  header.writeUInt32LE(documentStarts.length, 20);
  header.writeDoubleLE(totalBytes, 24);
  checksum(header, body).copy(header, bodySha256Offset);
  return Buffer.concat([header, body]);
}

/** The stored tokens, or `undefined` if the file is truncated, altered or of another format. */
function decodeTokens(file: Buffer): Tokens | undefined {
  if (file.length < headerBytes || file.toString('latin1', 0, magic.length) !== magic) return undefined;
  const bytesPerToken = file.readUInt32LE(12);
  const tokenCount = file.readUInt32LE(16);
  const startsBytes = file.readUInt32LE(20) * Uint32Array.BYTES_PER_ELEMENT;
  const body = file.subarray(headerBytes);
  if (file.readUInt32LE(8) !== formatVersion || body.length !== startsBytes + tokenCount * bytesPerToken)
    return undefined;
  if (!checksum(file, body).equals(file.subarray(bodySha256Offset, headerBytes))) return undefined;
  // Copies begin at an aligned address, which typed arrays need.
  const starts = Uint8Array.from(body.subarray(0, startsBytes)).buffer;
  const tokens = Uint8Array.from(body.subarray(startsBytes)).buffer;
  return {
    tokens: bytesPerToken === 2 ? new Uint16Array(tokens) : new Uint32Array(tokens),
    documentStarts: new Uint32Array(starts),
    totalBytes: file.readDoubleLE(24),
  };
}

/** Over the body and the part of the header before the checksum. */
function checksum(header: Buffer, body: Buffer): Buffer {
  return createHash('sha256').update(header.subarray(0, bodySha256Offset)).update(body).digest();
}

function bytesOf(array: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

async function readStored(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch {
    // Missing or unreadable: either way the tokens are made again.
    return undefined;
  }
}

/** Whether the file could be kept; a full or read-only disk must not stop the work that needs the tokens. */
async function store(folder: string, path: string, content: Buffer): Promise<boolean> {
  try {
    await makeFolder(folder);
    await replaceFile(path, content);
    return true;
  } catch {
    return false;
  }
}
