import type {
  AdaptationRun,
  Deployment,
  FeedbackSummary,
  Judgement,
  MetricsSummary,
  ModelEntry,
  Ready,
  SuggestionList,
  VersionList,
} from './api-types.ts';
import { getJson, postJson } from './http.ts';

/** The routes that the pages call. */
export const api = {
  ready: (signal?: AbortSignal) => getJson<Ready>('ready', signal),
  metrics: (signal?: AbortSignal) => getJson<MetricsSummary>('metrics', signal),
  models: async (signal?: AbortSignal) => (await getJson<{ data: readonly ModelEntry[] }>('v1/models', signal)).data,
  suggest: (prompt: string, model_variant: string | undefined, signal?: AbortSignal) =>
    postJson<SuggestionList>('v1/suggest', { prompt, count: 3, ...(model_variant && { model_variant }) }, signal),
  judge: (judgement: Judgement) => postJson<{ id: string | null; duplicate: boolean }>('feedback', judgement),
  feedback: (signal?: AbortSignal) => getJson<FeedbackSummary>('v1/feedback', signal),
  runs: async (signal?: AbortSignal) =>
    (await getJson<{ data: readonly AdaptationRun[] }>('v1/adaptations', signal)).data,
  adapt: () => postJson<{ run: AdaptationRun }>('adapt', {}),
  versions: (signal?: AbortSignal) => getJson<VersionList>('v1/versions', signal),
  promote: (id: string, percent: number | undefined) =>
    postJson<Deployment>(
      `v1/versions/${encodeURIComponent(id)}/promote`,
      percent === undefined ? {} : { canary_percent: percent },
    ),
  rollBack: () => postJson<Deployment>('v1/rollback', {}),
};

/** Entries of the list of models that name a variant; the first entry of all is the one used unless another is named. */
export const namedVariants = (models: readonly ModelEntry[]): readonly ModelEntry[] =>
  models.filter(({ id, itera }) => id.endsWith(`:${itera.variant}`));
