import { IteraError } from '../core/errors.ts';

/** How the Hugging Face Hub, or a mirror of it, is reached. */
export interface HubSettings {
  /** Address without a slash at its end. */
  readonly endpoint: string;
  /** Whether no request may be made. */
  readonly offline: boolean;
  /** Sent to the endpoint only. */
  readonly token?: string;
}

const defaultEndpoint = 'https://huggingface.co';

/**
 * Reads `HF_ENDPOINT`, `HF_HUB_OFFLINE` (1, true, yes or on) and `HF_TOKEN`, as Hugging Face's own library does.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the endpoint is no http or https address without a password, or the
 *   token has characters that tokens do not have.
 */
export function readHubSettings(env: Readonly<Record<string, string | undefined>> = process.env): HubSettings {
  const endpoint = env['HF_ENDPOINT']?.trim() || defaultEndpoint;
  const token = env['HF_TOKEN']?.trim();
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected HF_ENDPOINT to be an address such as ${defaultEndpoint}, without a user or password, got ` +
        `${url ? `${url.protocol}//${url.host}` : JSON.stringify(endpoint)}.`,
    );
  }
  // The value itself is not repeated: it is a secret.
  if (token && !/^[!-~]+$/.test(token)) {
    throw new IteraError('INVALID_ARGUMENT', 'Expected HF_TOKEN to be one word of ASCII characters. Set it again.');
  }
  return {
    endpoint: endpoint.replace(/\/+$/, ''),
    offline: /^(1|true|yes|on)$/i.test(env['HF_HUB_OFFLINE']?.trim() ?? ''),
    ...(token && { token }),
  };
}
