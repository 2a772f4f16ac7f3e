import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import { optionalModelFiles, requiredModelFiles } from '../../models/model-folder.ts';
import { readVariantRecords, variantFiles } from '../../models/variants.ts';
import { HttpError } from '../http-error.ts';
import { errorAnswers } from '../schemas.ts';
import type { App, ServerContext } from '../server-context.ts';

/** What a browser needs to run the model; nothing else of its folder is given. */
const offered: ReadonlySet<string> = new Set([
  ...requiredModelFiles,
  ...optionalModelFiles,
  ...Object.values(variantFiles),
]);

interface ServedFolder {
  readonly version: string;
  readonly dir: string;
  /** Hexadecimal sha256 of files, by path, where it is known without reading them. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** `GET /v1/model-files/*`: the files of the version that answers, for running it elsewhere. */
export function modelFilesRoute(app: App, context: ServerContext): void {
  app.get(
    '/v1/model-files/*',
    {
      schema: {
        summary: 'A file of the version that answers, for running the model in a browser',
        description: `One of ${[...offered].join(', ')}, as far as the model has it. The header x-itera-version names the version.`,
        tags: ['models'],
        params: Type.Object({ '*': Type.String({ maxLength: 200 }) }),
        response: { 200: Type.Unknown(), 304: Type.Null({ description: 'Unchanged.' }), ...errorAnswers(404, 429) },
      },
      config: { right: 'infer' },
    },
    async (request, reply) => {
      const path = request.params['*'];
      // Only names of the list reach the disk, so that no path leads out of the folder.
      if (!offered.has(path)) throw missing();
      const { version, dir, sha256 } = await findServed(context);
      const file = join(dir, path);
      const found = await stat(file).catch(() => undefined);
      if (!found?.isFile()) throw missing();
      const hash = Object.hasOwn(sha256, path) ? sha256[path] : undefined;
      const etag = hash === undefined ? `W/"${found.size}-${found.mtimeMs}"` : `"${hash}"`;
      reply.header('etag', etag).header('x-itera-version', version).header('cache-control', 'private, no-cache');
      if (request.headers['if-none-match']?.split(/, */).includes(etag)) return reply.code(304).send(null);
      reply.header('content-length', found.size);
      reply.type(path.endsWith('.json') ? 'application/json; charset=utf-8' : 'application/octet-stream');
      return reply.send(createReadStream(file));
    },
  );
}

const missing = (): HttpError =>
  new HttpError(404, 'The model that is served has no such file, or it is not given out.', { code: 'not_found' });

/** Before the first adaptation, and without a store, the folder of `--model` is what answers. */
async function findServed({ settings, router, stored }: ServerContext): Promise<ServedFolder> {
  const { promoted } = router.serving;
  const version = (await stored?.store.listVersions())?.find(({ id }) => id === promoted);
  if (stored && version) {
    return { version: promoted, dir: join(stored.versionsDir, version.folder), sha256: version.files };
  }
  const { dir, sha256, itera } = settings.folder;
  const variants = Object.values(readVariantRecords(itera)).map(({ file, sha256: hash }) => [file, hash] as const);
  return { version: promoted, dir, sha256: { ...Object.fromEntries(variants), ...sha256 } };
}
