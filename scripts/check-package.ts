/**
 * Checks what `npm pack` would put into the package: that nothing is missing, that nothing of development or of this
 * machine is among it, and that every part keeps within its budget of docs/package.md. Needs a build.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import {
  checkListing,
  checkText,
  measureParts,
  type PackedFile,
  packedLimitBytes,
  parts,
} from './package-parts/contents.ts';

const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], {
  encoding: 'utf8',
});
const [listing] = JSON.parse(output) as { readonly size: number; readonly files: readonly PackedFile[] }[];
if (!listing) throw new Error('npm pack listed no package.');

const binary = /\.(safetensors|wasm)$/;
const folders = [process.cwd(), homedir()];
const faults = [
  ...checkListing(listing.files, listing.size),
  ...listing.files
    .filter(({ path }) => !binary.test(path))
    .flatMap(({ path }) => checkText(path, readFileSync(path, 'utf8'), folders)),
];
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const sizes = measureParts(listing.files);
for (const { name, limitBytes } of parts) {
  console.log(`${name}: ${megabytes(sizes.get(name) ?? 0)} of ${megabytes(limitBytes)}`);
}
console.log(`packed, ${listing.files.length} files: ${megabytes(listing.size)} of ${megabytes(packedLimitBytes)}`);
if (faults.length > 0) {
  console.error(faults.map((fault) => `The package: ${fault}`).join('\n'));
  process.exitCode = 1;
}
