import { DrizzleQueryError } from 'drizzle-orm';
import { IteraError } from '../../core/errors.ts';

/**
 * SQLSTATE codes, or the first characters of a class of them, that say the server cannot be used now or by us: connection,
 * login, no such database, resources, locks that were waited for, a shutdown.
 */
const unavailable = ['08', '28', '3D', '40', '42501', '53', '55P03', '57', '25P03'];

/**
 * An error of ours for whatever a database driver threw: `STORE_UNAVAILABLE` for a lost or refused connection,
 * `OUTPUT_UNWRITABLE` for an embedded store on a full disk, else `STORE_INVALID`. Errors of ours pass unchanged.
 *
 * @remarks The cause is the driver's error; Drizzle's own, around it, holds the texts that were written.
 */
export function toStoreError(error: unknown, { kind, location }: { kind: 'embedded' | 'server'; location: string }) {
  if (error instanceof IteraError) return error;
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  const { code, message } = describe(cause);
  const data = { location, ...(code !== undefined && { code }) };
  const isState = code !== undefined && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]+$/.test(code);
  if (kind === 'server' && (!isState || unavailable.some((start) => code.startsWith(start)))) {
    const advice = 'Check that the server runs, the address, user, password and database, and what this user may do.';
    const text = `Expected the PostgreSQL server at ${location} to answer, got: ${message}. ${advice}`;
    return new IteraError('STORE_UNAVAILABLE', text, data, { cause });
  }
  if (code === '53100' || code === 'ENOSPC') {
    return new IteraError('OUTPUT_UNWRITABLE', `Could not write the store ${location}: ${message}`, data, { cause });
  }
  const text = `Expected a sound adaptation store at ${location}, got: ${message}. Restore it from a copy.`;
  return new IteraError('STORE_INVALID', text, data, { cause });
}

/** Code and message of an error; several attempts to connect fail as one error without a message. */
function describe(error: unknown): { code: string | undefined; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  if (!(error instanceof Error)) return { code: undefined, message: String(error) };
  const { code } = error as { readonly code?: unknown };
  return {
    code: typeof code === 'string' ? code : undefined,
    message: (error.message || error.name).replace(/\.$/, ''),
  };
}
