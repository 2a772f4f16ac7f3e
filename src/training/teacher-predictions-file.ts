import { type FileHandle, open } from 'node:fs/promises';
import { IteraError } from '../core/errors.ts';
import { unpack } from './teacher-block.ts';
import { blockOffset, type FileLayout } from './teacher-layout-file.ts';
import type { StoredPredictions, TeacherPredictions } from './teacher-rows.ts';

/** Predictions in a file; only what is read is ever in memory. */
export interface CachedPredictions extends TeacherPredictions {
  /** `hit`: all was in the cache; `built`: made or gone on with; `rebuilt`: made again from a damaged place on. */
  readonly status: 'hit' | 'built' | 'rebuilt';
  readonly path: string;
  close(): Promise<void>;
}

/** Opens a file of predictions that is known to be whole. */
export async function openPredictions(
  path: string,
  status: CachedPredictions['status'],
  layout: FileLayout,
): Promise<CachedPredictions> {
  const { topK } = layout.identity;
  const file = await open(path, 'r');
  return {
    tokenCount: layout.tokenCount,
    topK,
    status,
    path,
    async read(start, count) {
      const ids = layout.idWords === 1 ? new Uint16Array(count * topK) : new Uint32Array(count * topK);
      const found: StoredPredictions = { ids, costs: new Uint16Array(count * topK) };
      for (let done = 0; done < count; ) {
        const position = start + done;
        const block = Math.floor(position / layout.blockPositions);
        const within = position - block * layout.blockPositions;
        const taken = Math.min(count - done, layout.blockPositions - within);
        const offset = blockOffset(layout, block) + within * layout.positionBytes;
        const bytes = await readBytes(file, offset, taken * layout.positionBytes);
        if (!bytes) {
          throw new IteraError('FILE_CORRUPT', `Expected ${layout.fileBytes} bytes in ${path}, but it has shrunk.`, {
            path,
          });
        }
        unpack(bytes, layout, found, done);
        done += taken;
      }
      return found;
    },
    close: () => file.close(),
  };
}

/** That many bytes of a file, or `undefined` if it ends before. */
export async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer | undefined> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}
