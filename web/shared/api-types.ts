import type { MeasurementRecord } from '../../src/core/measurement.ts';

/** What the server's routes answer, as far as the pages show it; parts that older or smaller servers lack are optional. */

export interface Ready {
  readonly status: string;
  readonly model: string;
  readonly version: string;
  readonly canary?: string;
  readonly variant: string;
  readonly store: 'none' | 'reachable' | 'unreachable';
  readonly fault?: { readonly version: string; readonly reason: string };
}

export interface ModelEntry {
  readonly id: string;
  readonly itera: {
    readonly version: string;
    readonly variant: string;
    readonly bytes?: number | null;
    readonly measurements?: readonly MeasurementRecord[];
  };
}

/** Energy of one answer. */
export interface Energy {
  readonly status: string;
  readonly reason?: string;
  readonly joules?: number;
  readonly interval?: readonly number[];
  readonly method?: string;
}

export interface TokenListing {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly number[];
  readonly top_logprobs: readonly Readonly<Record<string, number>>[];
}

export interface AnswerFacts {
  readonly version?: string;
  readonly variant?: string;
  readonly time_to_first_token_ms?: number;
  readonly total_ms?: number;
  readonly inference_id?: string | null;
  readonly energy?: Energy;
}

export interface CompletionEvent {
  readonly choices: readonly {
    readonly text: string;
    readonly logprobs: TokenListing | null;
    readonly finish_reason: string | null;
    readonly inference_id?: string | null;
  }[];
  readonly itera?: Omit<AnswerFacts, 'inference_id'>;
}

export interface CompletionRequest {
  readonly model: string;
  readonly prompt: string;
  readonly max_tokens: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
}

export interface SuggestionList {
  readonly suggestions: readonly { readonly text: string; readonly probability: number }[];
}

export interface Judgement {
  readonly feedback_id?: string;
  readonly prompt?: string;
  readonly output?: string;
  readonly version?: string;
  readonly user_rating?: number;
  readonly correctness?: boolean;
  readonly correction?: string;
  readonly comments?: string;
}

export interface Percentiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface MetricsSummary {
  readonly request_count: number;
  readonly average_latency_ms: number;
  readonly error_rate: number;
  readonly memory_mb: number;
  readonly model_memory_mb?: number;
  readonly uptime_s: number;
  readonly prompt_tokens: number;
  readonly output_tokens: number;
  readonly feedback_count: number;
  readonly rejected_count: number;
  readonly queue_length: number;
  readonly active_generations: number;
  readonly latency_ms?: Percentiles;
  readonly time_to_first_token_ms?: Percentiles;
  readonly queue_ms?: Percentiles;
}

export interface FeedbackItem {
  readonly id: string;
  readonly created_at: string;
  readonly prompt: string;
  readonly output?: string | null;
  readonly user_rating?: number | null;
  readonly correctness?: boolean | null;
  readonly correction?: string | null;
  readonly comments?: string | null;
  readonly version?: string | null;
  readonly client?: string | null;
}

export interface FeedbackSummary {
  readonly total: number;
  readonly negative: number;
  readonly corrections: number;
  readonly ratings: Readonly<Record<string, number>>;
  readonly versions: readonly { readonly version?: string | null; readonly total: number; readonly negative: number }[];
  readonly recent: readonly FeedbackItem[];
}

export interface Finding {
  readonly name?: string;
  readonly passed: boolean;
  readonly sentence?: string;
}

export interface AdaptationRun {
  readonly id: string;
  readonly status: string;
  readonly trigger: string;
  readonly parent: string;
  readonly candidate?: string;
  readonly started_at: string;
  readonly ended_at?: string;
  readonly reason?: string;
  readonly findings?: readonly Finding[];
  readonly evidence?: unknown;
}

export interface Version {
  readonly id: string;
  readonly parent?: string;
  readonly run_id?: string;
  readonly model: string;
  readonly state: string;
  readonly created_at: string;
}

export interface Deployment {
  readonly promoted: string;
  readonly previous?: string;
  readonly canary?: { readonly version: string; readonly percent: number };
  readonly since: string;
}

export interface VersionList {
  readonly data: readonly Version[];
  readonly deployment: Deployment | null;
  readonly serving: { readonly promoted: string; readonly canary?: string };
}
