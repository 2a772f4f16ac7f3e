/** What the published package holds, how large its parts may be, and what must not be among it. */

/** A file of the package, by its path within it. */
export interface PackedFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** A part of the package, with the most bytes that it may have; docs/package.md says why it is there. */
export interface Part {
  readonly name: string;
  readonly limitBytes: number;
  readonly pattern: RegExp;
}

const megabyte = 1e6;

/** The first part whose pattern a path matches has it. */
export const parts: readonly Part[] = [
  { name: 'web pages', limitBytes: 15.5 * megabyte, pattern: /^dist\/web\// },
  { name: 'code and types', limitBytes: 2.5 * megabyte, pattern: /^dist\/.*\.(js|d\.ts)$/ },
  { name: 'models', limitBytes: 12 * megabyte, pattern: /^models\/itera-lite-(micro|small|tiny)\/[^/]+$/ },
  {
    name: 'texts and the rest',
    limitBytes: 0.5 * megabyte,
    pattern: /^((migrations|python|recipes|schemas|texts)\/|(CHANGELOG|README)\.md$|LICENSE$|package\.json$)/,
  },
];

/** The most bytes that the packed file may have. */
export const packedLimitBytes = 17 * megabyte;

/** What a program needs at run time and an exports map does not name. */
const needed = [
  ...['dist/web/index.html', 'dist/web/dashboard.html', 'dist/web/browser.html', 'dist/training/shard-worker-file.js'],
  ...['migrations/meta/_journal.json', 'python/torchscript_runner.py', 'recipes/itera-lite-micro.json'],
  ...['models/itera-lite-small/model.safetensors', 'texts/stories/test.txt', 'texts/LICENSE', 'LICENSE', 'README.md'],
];

/** Paths that come from development alone, or that could hold a secret. */
const unwanted = /(^|\/)(tests?|node_modules|secrets|src)\/|\.(test|bench)\.|\.(map|tsbuildinfo|pem|key|env|log|onnx)$/;

/** Texts that no published file holds, with what they are. */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, 'a private key'],
  [/\b(hf|npm|ghp|itera)_[A-Za-z0-9]{30,}/, 'an access token'],
  [/^\/\/# sourceMappingURL=/m, 'the address of a source map, which is not published'],
];

/** Which part has this file, if any. */
const partOf = (path: string): Part | undefined => parts.find(({ pattern }) => pattern.test(path));

/** Bytes of each part. */
export function measureParts(files: readonly PackedFile[]): Map<string, number> {
  const sizes = new Map(parts.map(({ name }) => [name, 0]));
  for (const { path, size } of files) {
    const name = partOf(path)?.name;
    if (name !== undefined) sizes.set(name, (sizes.get(name) ?? 0) + size);
  }
  return sizes;
}

/** What is wrong with a listing, in sentences; nothing if it may be published. */
export function checkListing(files: readonly PackedFile[], packedBytes: number): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const sizes = measureParts(files);
  return [
    ...needed.filter((path) => !paths.has(path)).map((path) => `${path} is missing.`),
    ...[...paths].filter((path) => unwanted.test(path)).map((path) => `${path} may not be published.`),
    ...[...paths].filter((path) => !partOf(path)).map((path) => `${path} belongs to no part.`),
    ...parts
      .filter(({ name, limitBytes }) => (sizes.get(name) ?? 0) > limitBytes)
      .map(({ name, limitBytes }) => `${name}: ${sizes.get(name)} bytes, of at most ${limitBytes}.`),
    ...(packedBytes > packedLimitBytes ? [`packed: ${packedBytes} bytes, of at most ${packedLimitBytes}.`] : []),
  ];
}

/**
 * What is wrong with a file's text, in sentences.
 *
 * @param folders - Of the machine that packs: their paths mean nothing elsewhere.
 */
export function checkText(path: string, text: string, folders: readonly string[]): string[] {
  return [
    ...secrets.filter(([pattern]) => pattern.test(text)).map(([, what]) => `${path} holds ${what}.`),
    ...folders
      .filter((folder) => text.includes(`${folder}/`) || text.includes(`${folder}\\`))
      .map((folder) => `${path} holds a path of this machine, in ${folder}.`),
  ];
}
