import { afterEach, beforeEach, expect, it, vi } from 'vitest';

beforeEach(() => {
  vi.resetModules();
  vi.stubEnv('ITERA_PYTHON', '/nowhere/python3');
});

afterEach(() => {
  vi.unstubAllEnvs();
});

it('says what is missing and how to provide it', async () => {
  vi.stubEnv('ITERA_REQUIRE_ALL', undefined);
  const { requirement } = await import('../requirements.ts');
  const { available, reason } = requirement('pytorch');
  expect(available).toBe(false);
  expect(reason).toMatch(
    /^pytorch is not available \(.*\/nowhere\/python3.*\): install PyTorch for \/nowhere\/python3/,
  );
});

it('makes an absence a failure where everything is required', async () => {
  vi.stubEnv('ITERA_REQUIRE_ALL', '1');
  const { requirement } = await import('../requirements.ts');
  expect(() => requirement('pytorch')).toThrow(/ITERA_REQUIRE_ALL is 1, but pytorch is not available/);
});
