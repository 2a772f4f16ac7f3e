import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { completeLock, type Lock, missingPlatforms, platformOf } from '../../../scripts/complete-lock.ts';

const lock: Lock = {
  packages: {
    '': { optionalDependencies: { own: '1.0.0' } },
    'node_modules/tool': {
      version: '2.0.0',
      dev: true,
      optionalDependencies: { '@tool/linux-x64-gnu': '2.0.0', '@tool/darwin-arm64': '2.0.0' },
    },
    'node_modules/@tool/linux-x64-gnu': { version: '2.0.0' },
  },
};

it('reads the platform from the name of a package', () => {
  expect(platformOf('@rollup/rollup-linux-x64-musl')).toEqual({ os: ['linux'], cpu: ['x64'], libc: ['musl'] });
  expect(platformOf('@rollup/rollup-linux-arm-gnueabihf')).toEqual({ os: ['linux'], cpu: ['arm'], libc: ['glibc'] });
  expect(platformOf('@biomejs/cli-win32-arm64')).toEqual({ os: ['win32'], cpu: ['arm64'] });
  expect(platformOf('left-pad')).toBeUndefined();
});

it('adds what is missing and nothing else', () => {
  expect(completeLock(lock).packages).toEqual({
    ...lock.packages,
    'node_modules/@tool/darwin-arm64': {
      version: '2.0.0',
      os: ['darwin'],
      cpu: ['arm64'],
      dev: true,
      optional: true,
    },
  });
});

it('has nothing to add to the lock of this package: npm ci works on every platform', () => {
  const own = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock;
  expect([...missingPlatforms(own).keys()]).toEqual([]);
});
