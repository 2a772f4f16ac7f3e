import type { Ready } from './api-types.ts';
import { Fault } from './fault.tsx';
import type { Loaded } from './use-loaded.ts';

/** Which model answers, in which version. */
export function ServedModel({ ready: { value, error } }: { readonly ready: Loaded<Ready> }) {
  if (error) return <Fault error={error} />;
  if (!value) return null;
  const { model, version, canary, fault } = value;
  return (
    <p class="served">
      <strong>{model}</strong>
      {version !== model && <span class="badge">{version}</span>}
      {canary && <span class="badge">canary {canary}</span>}
      {fault && (
        <span class="badge bad">
          {fault.version} does not load: {fault.reason}
        </span>
      )}
    </p>
  );
}
