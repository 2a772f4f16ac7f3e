import { useState } from 'preact/hooks';
import { type VariantName, variantFiles } from '../../src/models/variants.ts';
import { api, namedVariants } from '../shared/api.ts';
import { apiKey } from '../shared/api-key.ts';
import { Fault } from '../shared/fault.tsx';
import { formatBytes } from '../shared/format.ts';
import { serverRoot } from '../shared/http.ts';
import { useLoaded } from '../shared/use-loaded.ts';
import type { ModelSource } from './messages.ts';
import type { WorkerState } from './use-worker.ts';

interface LoadFormProps {
  readonly state: WorkerState;
  readonly onLoad: (source: ModelSource, variant: VariantName) => void;
}

interface Choice {
  readonly variant: VariantName;
  readonly bytes?: number;
}

/** Chooses a model and its variant, and says how far it is loaded. */
export function LoadForm({ state, onLoad }: LoadFormProps) {
  const models = useLoaded(api.models);
  const [kind, setKind] = useState<ModelSource['kind']>('server');
  const [folder, setFolder] = useState<ReadonlyMap<string, File>>();
  const [wanted, setWanted] = useState<VariantName>('fp32');
  const served = namedVariants(models.value ?? []).map(
    ({ itera }): Choice => ({
      variant: itera.variant as VariantName,
      ...(typeof itera.bytes === 'number' && { bytes: itera.bytes }),
    }),
  );
  const choices = kind === 'server' ? served : variantsOf(folder);
  const chosen = choices.find(({ variant }) => variant === wanted) ?? choices[0];
  const isBusy = state.status === 'loading' || state.status === 'building';

  function load(): void {
    if (!chosen) return;
    const key = apiKey();
    if (kind === 'server') onLoad({ kind, root: serverRoot, ...(key !== undefined && { key }) }, chosen.variant);
    else if (folder) onLoad({ kind, files: folder }, chosen.variant);
  }

  return (
    <form
      class="card"
      aria-labelledby="load-title"
      onSubmit={(event) => {
        event.preventDefault();
        load();
      }}
    >
      <h2 id="load-title">Model</h2>
      <fieldset class="choices">
        <legend>From</legend>
        <label class="check">
          <input type="radio" name="source" checked={kind === 'server'} onChange={() => setKind('server')} />
          this server
        </label>
        <label class="check">
          <input type="radio" name="source" checked={kind === 'folder'} onChange={() => setKind('folder')} />a folder of
          this computer
        </label>
      </fieldset>
      {kind === 'server' && models.error && <Fault error={models.error} />}
      {kind === 'folder' && (
        <label>
          Model folder
          <input
            type="file"
            multiple
            aria-describedby="folder-hint"
            {...{ webkitdirectory: true }}
            onChange={({ currentTarget }) => setFolder(readFolder(currentTarget.files))}
          />
          <small id="folder-hint">
            with config.json, tokenizer.json and model.safetensors; it stays on this computer
          </small>
        </label>
      )}
      <label>
        Variant
        <select
          aria-describedby="variant-hint"
          value={chosen?.variant ?? ''}
          disabled={choices.length === 0}
          onChange={({ currentTarget }) => setWanted(currentTarget.value as VariantName)}
        >
          {choices.map(({ variant, bytes }) => (
            <option key={variant} value={variant}>
              {variant}
              {bytes !== undefined && `, ${formatBytes(bytes)}`}
            </option>
          ))}
        </select>
        <small id="variant-hint">
          In less than 16 bits, rounding differs a little between this runtime and the server's, so texts may part.
        </small>
      </label>
      <button type="submit" class="primary" disabled={isBusy || !chosen}>
        Load
      </button>
      <Progress state={state} />
    </form>
  );
}

function Progress({
  state: { status, loadedBytes = 0, totalBytes = 0, loaded, variant, fault },
}: {
  readonly state: WorkerState;
}) {
  return (
    <>
      {status === 'loading' && (
        <label>
          {`${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}`}
          <progress max={Math.max(totalBytes, 1)} value={loadedBytes} />
        </label>
      )}
      <p role="status">
        {status === 'loading' && <span class="visually-hidden">Loading</span>}
        {status === 'building' && 'Building the graph'}
        {loaded && status !== 'loading' && (
          <span class="confirmation">
            {variant} is loaded: {formatBytes(loaded.bytes)} in {(loaded.ms / 1000).toFixed(1)} s
            {loaded.version !== undefined && `, version ${loaded.version}`}. It now runs without the server.
          </span>
        )}
      </p>
      {fault !== undefined && (
        <p role="alert" class="fault">
          {fault}
        </p>
      )}
    </>
  );
}

/** Files by their path within the folder that was picked. */
function readFolder(list: FileList | null): ReadonlyMap<string, File> | undefined {
  if (!list || list.length === 0) return undefined;
  return new Map(Array.from(list, (file) => [file.webkitRelativePath.split('/').slice(1).join('/'), file]));
}

function variantsOf(folder: ReadonlyMap<string, File> | undefined): readonly Choice[] {
  if (!folder) return [];
  const all: readonly (readonly [string, string])[] = [['fp32', 'model.safetensors'], ...Object.entries(variantFiles)];
  return all.flatMap(([variant, path]): readonly Choice[] => {
    const file = folder.get(path);
    return file ? [{ variant: variant as VariantName, bytes: file.size }] : [];
  });
}
