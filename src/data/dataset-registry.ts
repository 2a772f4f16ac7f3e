import { IteraError } from '../core/errors.ts';
import type { SeparatorKind } from './documents.ts';

export const splits = ['train', 'valid', 'test'] as const;
/** A part of a dataset: to train on, to validate with while training, or to test with. */
export type Split = (typeof splits)[number];

/** A dataset that has a name. */
export interface DatasetEntry {
  readonly name: string;
  readonly description: string;
  readonly splits: readonly Split[];
  /** How the documents of a split are told apart. */
  readonly separator: Readonly<Partial<Record<Split, SeparatorKind>>>;
  /** SPDX expression or name of the licence. */
  readonly licence: string;
  /** Where it comes from. */
  readonly source: string;
  /** Whether it is part of this package. */
  readonly bundled: boolean;
  /** Known sha256 of a split's file, in hexadecimal. */
  readonly sha256: Readonly<Partial<Record<Split, string>>>;
  /** Where it can be downloaded. */
  readonly hub?: HubSource;
}

/** A dataset's place at the Hugging Face Hub, and how its texts are made from the files there. */
export interface HubSource {
  readonly repository: string;
  readonly revision: string;
  /** Which of the rules in `hub-texts.ts` applies. */
  readonly form: 'wikitext' | 'tinystories';
  /** The files of each split: paths, where `*` stands for the numbering of parts. */
  readonly files: Readonly<Partial<Record<Split, string>>>;
  /** What downloading a split brings, for people to decide by. */
  readonly download: Readonly<Partial<Record<Split, string>>>;
}

export const datasetEntries: readonly DatasetEntry[] = [
  {
    name: 'stories',
    description: 'Short stories in plain English, written for this project',
    splits: ['test'],
    separator: { test: 'endoftext' },
    licence: 'CC0-1.0',
    source: 'texts/stories',
    bundled: true,
    sha256: {},
  },
  {
    name: 'articles',
    description: 'Encyclopedic articles, written for this project',
    splits: ['test'],
    separator: { test: 'endoftext' },
    licence: 'CC0-1.0',
    source: 'texts/articles',
    bundled: true,
    sha256: {},
  },
  {
    name: 'tinystories',
    description: 'Synthetic short stories in simple words (Eldan and Li 2023, arXiv:2305.07759)',
    splits: ['train', 'valid', 'test'],
    separator: { train: 'endoftext', valid: 'endoftext', test: 'endoftext' },
    licence: 'CDLA-Sharing-1.0',
    source: 'https://huggingface.co/datasets/roneneldan/TinyStories',
    bundled: false,
    sha256: {
      train: 'ef369b9fee077b925440c2e02405264a51c6db53ddcaac88b5211cc7c4924f8d',
      valid: '61779ef01a988f99bf844f3b22f8669ec644e57426d550ec77cba7d4a65d9f8a',
      test: '2b40b178fb62be830ab6ecfb30267f1363f826bc1cf6ec4b28f52c2a7341db19',
    },
    hub: {
      repository: 'roneneldan/TinyStories',
      revision: 'main',
      form: 'tinystories',
      files: {
        train: 'data/train-*.parquet',
        valid: 'TinyStoriesV2-GPT4-valid.txt',
        test: 'TinyStoriesV2-GPT4-valid.txt',
      },
      download: { train: 'about 1 GB', valid: 'about 23 MB', test: 'about 23 MB' },
    },
  },
  {
    name: 'wikitext-2',
    description: 'Wikipedia articles (Merity et al. 2016, arXiv:1609.07843); valid and test as wikitext-2-raw-v1',
    splits: ['train', 'valid', 'test'],
    // Training reads whole articles; scoring reads the pages that published results are scored on.
    separator: { train: 'wikitext-articles', valid: 'wikitext-pages', test: 'wikitext-pages' },
    licence: 'CC-BY-SA-3.0 AND GFDL-1.3-or-later',
    source: 'https://huggingface.co/datasets/Salesforce/wikitext',
    bundled: false,
    sha256: {
      train: '728c77e87e176af4730f9a80fc6008bcaff421a7202c1c048877c0eec3685f89',
      valid: '4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7',
      test: '173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08',
    },
    hub: {
      repository: 'Salesforce/wikitext',
      revision: 'main',
      form: 'wikitext',
      files: {
        train: 'wikitext-2-raw-v1/train-*.parquet',
        valid: 'wikitext-2-raw-v1/validation-*.parquet',
        test: 'wikitext-2-raw-v1/test-*.parquet',
      },
      download: { train: 'about 7 MB', valid: 'about 1 MB', test: 'about 1 MB' },
    },
  },
];

/** The dataset of this name, if there is one. */
export function findDatasetEntry(name: string): DatasetEntry | undefined {
  return datasetEntries.find((entry) => entry.name === name);
}

/**
 * Compares a file with the one whose results are published.
 *
 * @returns `undefined` if no hash is known; whether it is equal otherwise. A different training file is only reported,
 * because people train on other cuts of it.
 * @throws {@link IteraError} `FILE_CORRUPT` if a valid or test file differs: scores on it would not be comparable.
 */
export function verifyDatasetFile(
  entry: DatasetEntry,
  split: Split,
  sha256: string,
  path: string,
): boolean | undefined {
  const expected = entry.sha256[split];
  if (expected === undefined || expected === sha256) return expected === undefined ? undefined : true;
  if (split === 'train') return false;
  throw new IteraError(
    'FILE_CORRUPT',
    `Expected the ${split} split of ${entry.name} to have sha256 ${expected}, but ${path} has ${sha256}. ` +
      'Replace the file, or give its path instead of the name to use it as a text of your own.',
    { dataset: entry.name, split, path, expected, sha256 },
  );
}
