import { findVersion } from '../adaptation/deployment.ts';
import { versionFor } from '../adaptation/routing.ts';
import type { AdaptationStore, Deployment } from '../adaptation/store/store-records.ts';
import { checkVersion } from '../adaptation/version-folder.ts';
import { IteraError } from '../core/errors.ts';
import type { ModelFolder } from '../models/model-folder-file.ts';
import type { VariantName } from '../models/variants.ts';
import { HttpError } from './http-error.ts';
import { type ModelForm, readModelForms } from './model-forms.ts';
import type { ModelLease, ModelPool } from './model-pool.ts';

/** A lease of the model that answers someone. */
export interface RoutedLease extends ModelLease {
  readonly version: string;
  readonly variant: VariantName;
}

/** Why what is deployed does not answer. */
export interface RouterFault {
  readonly version: string;
  readonly reason: string;
}

/** Knows which version answers whom. */
export interface ModelRouter {
  /**
   * @param person - Who asks, for the canary; for one without a name, anything that differs from request to request.
   * @throws {@link IteraError} what loading another variant than the default one throws; {@link HttpError} 503 if that one
   *   does not load any more.
   */
  use(person: string, variant?: VariantName): Promise<RoutedLease>;
  /** Looks at what is deployed, and serves it if it is new and loads; if not, the old goes on. */
  refresh(): Promise<void>;
  /** The version that answers, and the canary. */
  readonly serving: Pick<Deployment, 'promoted' | 'canary'>;
  readonly fault: RouterFault | undefined;
  /** What the promoted version's folder has. */
  readonly forms: readonly ModelForm[];
  /** Whether the promoted version is loaded, or can be. */
  canAnswer(): Promise<boolean>;
}

export interface ModelRouterOptions {
  /** The base model. */
  readonly folder: ModelFolder;
  readonly name: string;
  /** What is served unless another is asked for. */
  readonly variant: VariantName;
  readonly store?: AdaptationStore;
  readonly versionsDir?: string;
  /** Hears of versions that now answer, or that do not load. */
  readonly onChange: (message: string, fault?: unknown) => void;
}

interface Serving {
  readonly deployment: Pick<Deployment, 'promoted' | 'canary'>;
  readonly dirs: Readonly<Record<string, string>>;
  /** Of the deployment in the store. */
  readonly mark: string | undefined;
  readonly forms: readonly ModelForm[];
}

/** A version that does not load is tried again after so long. */
const retryMs = 30_000;

/** So is one that does not load any more, though it did. */
const brokenMs = 2000;

const unavailable = (cause: unknown): HttpError =>
  new HttpError(
    503,
    'The model cannot be loaded at the moment. Try again later.',
    { code: 'model_unavailable', retryAfterS: 5 },
    { cause },
  );

/**
 * Starts with what is deployed; a store without versions serves the base model, which the first adaptation records as v1.
 *
 * @throws {@link IteraError} what loading the base model throws; `INVALID_ARGUMENT` if the store adapts another one.
 */
export async function createModelRouter(pool: ModelPool, options: ModelRouterOptions): Promise<ModelRouter> {
  const { folder, name, variant, store, versionsDir, onChange } = options;
  const base = store ? 'v1' : name;
  let serving: Serving = {
    deployment: { promoted: base },
    dirs: { [base]: folder.dir },
    mark: undefined,
    forms: await readModelForms(folder.dir),
  };
  let fault: (RouterFault & { readonly mark: string; readonly at: number }) | undefined;
  let refreshing: Promise<void> | undefined;
  let askedAgain = false;

  async function load(dirs: readonly string[]): Promise<void> {
    for (const dir of dirs) (await pool.lease(dir, variant)).release();
  }

  async function refreshOnce(): Promise<void> {
    if (!store || versionsDir === undefined) return;
    const deployment = await store.deployment();
    if (!deployment) return;
    const { promoted, canary, since } = deployment;
    const mark = JSON.stringify([promoted, canary, since]);
    if (mark === serving.mark) {
      fault = undefined;
      return;
    }
    if (fault?.mark === mark && Date.now() - fault.at < retryMs) return;
    const before = Object.values(serving.dirs);
    try {
      const versions = await store.listVersions();
      const ids = [promoted, ...(canary ? [canary.version] : [])];
      const dirs: Record<string, string> = {};
      for (const id of ids) dirs[id] = await checkVersion(findVersion(versions, id), versionsDir);
      pool.keepOnly([...before, ...Object.values(dirs)]);
      await load(Object.values(dirs));
      const forms = await readModelForms(dirs[promoted] as string);
      serving = { deployment: { promoted, ...(canary && { canary }) }, dirs, mark, forms };
      fault = undefined;
      pool.keepOnly(Object.values(dirs));
      onChange(`serving ${ids.join(' and, as a canary, ')}`);
    } catch (error) {
      pool.keepOnly(before);
      const reason = error instanceof IteraError ? error.code : 'RUNTIME_FAILED';
      fault = { version: canary?.version ?? promoted, reason, mark, at: Date.now() };
      onChange(`${fault.version} does not load; ${serving.deployment.promoted} goes on`, error);
    }
  }

  // A model that was loaded may be gone, with its process or its files: whoever asks then is not refused one by one.
  let broken: { readonly version: string; readonly at: number; readonly error: unknown } | undefined;

  async function lease(version: string, asked: VariantName): Promise<ModelLease> {
    if (broken?.version === version && Date.now() - broken.at < brokenMs) throw unavailable(broken.error);
    try {
      const found = await pool.lease(serving.dirs[version] as string, asked);
      broken = undefined;
      return found;
    } catch (error) {
      if (asked !== variant) throw error;
      broken = { version, at: Date.now(), error };
      onChange(`${version} does not load any more`, error);
      throw unavailable(error);
    }
  }

  if (store) await checkBase(store, folder, name);
  pool.keepOnly([folder.dir]);
  await refreshOnce();
  // Only now, so that the base model is not loaded for nothing.
  if (serving.mark === undefined) await load([folder.dir]);

  return {
    async use(person, asked = variant) {
      const version = versionFor({ since: '', ...serving.deployment }, person);
      return { ...(await lease(version, asked)), version, variant: asked };
    },
    refresh() {
      // Whoever asks while it goes on wants what is true now, not what was when it began.
      if (refreshing !== undefined) askedAgain = true;
      refreshing ??= (async () => {
        try {
          do {
            askedAgain = false;
            await refreshOnce();
          } while (askedAgain);
        } finally {
          refreshing = undefined;
        }
      })();
      return refreshing;
    },
    get serving() {
      return serving.deployment;
    },
    get fault() {
      return fault && { version: fault.version, reason: fault.reason };
    },
    get forms() {
      return serving.forms;
    },
    async canAnswer() {
      const { promoted } = serving.deployment;
      try {
        (await lease(promoted, variant)).release();
        return true;
      } catch {
        return false;
      }
    },
  };
}

async function checkBase(store: AdaptationStore, folder: ModelFolder, name: string): Promise<void> {
  const [first] = await store.listVersions();
  if (!first || first.files['model.safetensors'] === folder.sha256['model.safetensors']) return;
  const message = `Expected the model that ${store.location} adapts, ${first.model}, got ${name}, whose files differ. Name that model, or another store.`;
  throw new IteraError('INVALID_ARGUMENT', message, { expected: first.model, got: name });
}
