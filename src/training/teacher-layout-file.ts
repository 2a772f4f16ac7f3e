import { createHash } from 'node:crypto';
import type { TokenizedDataset } from '../data/batches.ts';
import { type BlockLayout, blockLength, type TeacherIdentity } from './teacher-block.ts';

/** To be raised whenever the same teacher and text would give other bytes. */
const formatVersion = 1;
export const headerBytes = 1024;
export const checksumBytes = 32;
/** Strides of a block, the unit that is stored and checked; an interruption loses at most one. */
const blockStrides = 16;

/** Where everything in the file is. */
export interface FileLayout extends BlockLayout {
  readonly key: string;
  readonly header: Buffer;
  readonly blockCount: number;
  readonly fileBytes: number;
}

/** The layout of the file for a text and a teacher; its `key` names its place in the cache. */
export function planFile({ tokens }: TokenizedDataset, identity: TeacherIdentity): FileLayout {
  const tokenBytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  const facts = {
    format: `itera-lite-teacher-${formatVersion}`,
    ...identity,
    tokensSha256: createHash('sha256').update(tokenBytes).digest('hex'),
    tokenCount: tokens.length,
  };
  const text = JSON.stringify(facts);
  const header = Buffer.alloc(headerBytes, ' ');
  header.write(text, 'utf8');
  const idWords = identity.vocabSize <= 2 ** 16 ? 1 : 2;
  const positionBytes = 2 * identity.topK * (idWords + 1);
  const blockPositions = blockStrides * identity.stride;
  const blockCount = Math.ceil(tokens.length / blockPositions);
  return {
    key: createHash('sha256').update(text).digest('hex').slice(0, 32),
    header,
    tokenCount: tokens.length,
    identity,
    idWords,
    positionBytes,
    blockPositions,
    blockCount,
    fileBytes: headerBytes + tokens.length * positionBytes + blockCount * checksumBytes,
  };
}

/** Where a block begins in the file. */
export const blockOffset = ({ blockPositions, positionBytes }: FileLayout, block: number): number =>
  headerBytes + block * (blockPositions * positionBytes + checksumBytes);

/** Of a block at its place in this file: one from elsewhere does not pass. */
export const checksum = ({ header }: FileLayout, block: number, content: Uint8Array): Buffer =>
  createHash('sha256').update(header).update(`${block}`).update(content).digest();

/** Bytes of a block in the file, its checksum included. */
export const storedBytes = (layout: FileLayout, block: number): number =>
  blockLength(layout, block) * layout.positionBytes + checksumBytes;
