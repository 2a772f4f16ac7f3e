import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/value';
import { IteraError } from '../core/errors.ts';
import { replaceFile } from '../data/atomic-file.ts';

/** What a key allows: to use the model; to say what its outputs are worth; to adapt, promote and roll back. */
export const rights = ['infer', 'feedback', 'admin'] as const;

/** One of the rights that a key may have. */
export type Right = (typeof rights)[number];

const keySchema = Type.Object({
  name: Type.String({ pattern: '^[\\w.-]{1,64}$' }),
  rights: Type.Array(Type.Enum([...rights]), { minItems: 1 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  createdAt: Type.String(),
});

const keysSchema = Type.Object({ schemaVersion: Type.Literal(1), keys: Type.Array(keySchema) });

/** A key as it is kept: its hash, never itself. */
export type ApiKey = Static<typeof keySchema>;

const hash = (key: string): Buffer => createHash('sha256').update(key).digest();

/**
 * Reads the keys of a file.
 *
 * @throws {@link IteraError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `FILE_CORRUPT`.
 */
export async function readApiKeys(path: string): Promise<readonly ApiKey[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE';
    const message = `Could not read the keys in '${path}'. Make one: itera-lite serve --create-key NAME --keys ${path}`;
    throw new IteraError(code, message, { path }, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Said below: it is no file of keys.
  }
  if (Check(keysSchema, json)) return json.keys;
  const message = `Expected '${path}' to hold keys as itera-lite serve --create-key writes them. Restore the file, or remove it and make new keys.`;
  throw new IteraError('FILE_CORRUPT', message, { path });
}

/**
 * Makes a key and adds its hash to a file, which only its owner may read.
 *
 * @returns The key; it is not kept anywhere else.
 * @throws {@link IteraError} `INVALID_ARGUMENT` for a name that is none or taken, `OUTPUT_UNWRITABLE`, and what
 *   {@link readApiKeys} throws for a file that is there.
 */
export async function createApiKey(path: string, name: string, allowed: readonly Right[]): Promise<string> {
  const before = await readApiKeys(path).catch((error: unknown) => {
    if (error instanceof IteraError && error.code === 'FILE_NOT_FOUND') return [];
    throw error;
  });
  if (before.some((key) => key.name === name)) {
    throw new IteraError('INVALID_ARGUMENT', `There is a key named ${JSON.stringify(name)} in ${path} already.`, {
      name,
    });
  }
  const key = `itera_${randomBytes(32).toString('base64url')}`;
  const added = { name, rights: [...allowed], sha256: hash(key).toString('hex'), createdAt: new Date().toISOString() };
  if (!Check(keySchema, added)) {
    const message = `Expected a name of 1 to 64 letters, digits, dots, dashes and underscores, got ${JSON.stringify(name)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { name });
  }
  try {
    const content = { schemaVersion: 1, keys: [...before, added] };
    await replaceFile(path, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  } catch (cause) {
    const message = `Could not write the keys to '${path}': ${(cause as Error).message}`;
    throw new IteraError('OUTPUT_UNWRITABLE', message, { path }, { cause });
  }
  return key;
}

/** The key that was given, if it is one of these; takes as long whichever it is. */
export function findApiKey(keys: readonly ApiKey[], given: string): ApiKey | undefined {
  const came = hash(given);
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(Buffer.from(key.sha256, 'hex'), came)) found = key;
  return found;
}
