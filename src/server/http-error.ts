import { IteraError } from '../core/errors.ts';

/** What an error says to a client, in the shape of OpenAI's API. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export interface HttpErrorDetails {
  readonly code: string;
  readonly type?: string;
  readonly param?: string;
  readonly retryAfterS?: number;
}

/** An error that is meant for the client, with the status it is answered with. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly statusCode: number;
  readonly details: HttpErrorDetails;

  constructor(statusCode: number, message: string, details: HttpErrorDetails, options?: ErrorOptions) {
    super(message, options);
    this.statusCode = statusCode;
    this.details = details;
  }
}

/** A request that cannot be answered as it is. */
export const badRequest = (message: string, param?: string, code = 'invalid_value'): HttpError =>
  new HttpError(400, message, { code, ...(param !== undefined && { param }) });

const typeOf = (status: number): string => {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
};

/** Statuses of the library's errors that a client can do something about; all others are our fault. */
const statusOf: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  TEXT_EMPTY: 400,
  TEXT_INVALID_UTF8: 400,
  FEEDBACK_INVALID: 400,
  VERSION_UNKNOWN: 404,
  RUN_IN_PROGRESS: 409,
  DEPLOYMENT_CHANGED: 409,
  VERSION_CORRUPT: 409,
};

/** What the library says of these names processes, machines or folders. */
const messageOf: Readonly<Record<string, string>> = {
  RUN_IN_PROGRESS: 'An adaptation run goes on already. GET /v1/adaptations shows it.',
  VERSION_CORRUPT: 'The files of this version are not what was recorded, so that it cannot be served.',
};

/** What Fastify adds to an error of a body that does not follow its schema. */
interface SchemaFault {
  readonly keyword: string;
  readonly message?: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * The error as the client may see it: never a stack, a path or a word about what is inside.
 *
 * @param id - Of the request, by which the log can be searched.
 */
export function toHttpError(error: unknown, id: string): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof IteraError) {
    if (error.cause instanceof HttpError) return error.cause;
    if (/^VARIANT_/.test(error.code)) {
      const message = 'This variant of the model is not here, or not usable. GET /v1/models lists what is.';
      return new HttpError(404, message, { code: 'model_not_found', param: 'model_variant' });
    }
    if (/^STORE_/.test(error.code)) {
      const message = 'The store of feedback and versions does not answer. Try again later.';
      return new HttpError(503, message, { code: 'store_unavailable', retryAfterS: 5 });
    }
    const status = statusOf[error.code];
    if (status !== undefined) {
      return new HttpError(status, messageOf[error.code] ?? error.message, { code: error.code.toLowerCase() });
    }
  }
  const { statusCode, code, message, validation } = (error ?? {}) as Partial<HttpError> & {
    readonly code?: string;
    readonly validation?: readonly SchemaFault[];
  };
  if (validation) {
    const param = paramOf(validation[0]);
    if (param !== undefined && validation[0]?.keyword === 'additionalProperties') {
      const details = { code: 'unsupported_parameter', param };
      return new HttpError(400, `Parameter ${param} is not supported by this route.`, details);
    }
    const details = { code: 'invalid_value', ...(param !== undefined && { param }) };
    // The first fault alone: of a parameter that may also be null, each other form adds a sentence.
    const said = validation[0]?.message ?? message;
    return new HttpError(400, `${param === undefined ? 'The body' : `Parameter ${param}`} ${said}.`, details);
  }
  // Fastify's own refusals: malformed JSON, a body that is too large, another content type.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new HttpError(statusCode, message ?? 'The request was refused.', {
      code: (code ?? 'invalid_request').replace(/^FST_ERR_/, '').toLowerCase(),
    });
  }
  const text = `Something went wrong inside the server. Its log says more under the request id ${id}.`;
  return new HttpError(500, text, { code: 'internal_error' }, { cause: error });
}

function paramOf(fault: SchemaFault | undefined): string | undefined {
  if (!fault) return undefined;
  const { missingProperty, additionalProperty } = fault.params;
  const parts = [...fault.instancePath.split('/').slice(1), missingProperty ?? additionalProperty];
  const named = parts.filter((part) => typeof part === 'string' && part !== '');
  return named.length === 0 ? undefined : named.join('.').slice(0, 200);
}

export function errorBody({ statusCode, message, details }: HttpError): ErrorBody {
  const { code, type = typeOf(statusCode), param = null } = details;
  return { error: { message, type, param, code } };
}
