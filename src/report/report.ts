import type { RecordSet } from '../core/measurement.ts';

/** A text that a model wrote, with all that is needed to make it again. */
export interface Sample {
  readonly model: string;
  readonly variant?: string;
  readonly prompt: string;
  /** What the model wrote after the prompt. */
  readonly text: string;
  readonly seed: number;
  /** 0 stands for always taking the most likely token. */
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
}

/** A value followed over the steps of training; curves of one unit share a chart. */
export interface Curve {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** A part of how the numbers were made, in words. */
export interface ProtocolItem {
  readonly name: string;
  readonly text: string;
}

/** A part of the main job, and how it ended. */
export interface ReportStage {
  /** Unique within the report, e.g. `quality/stories`. */
  readonly id: string;
  /** What it does, in words. */
  readonly name: string;
  readonly status: 'done' | 'failed' | 'notRun';
  /** Why it failed or was not run, and what to do about it; always given for these. */
  readonly reason?: string;
  /** How long it took, in seconds; absent where it did not begin. */
  readonly seconds?: number;
  /** Whether its numbers come from an earlier, interrupted run of the same job. */
  readonly resumed?: boolean;
}

/** The model that the report is about. Its counts are numbers of parameters. */
export interface ReportModel {
  readonly name: string;
  readonly description: string;
  readonly parameters?: number;
  /** Parameters that one token uses. */
  readonly activeParameters?: number;
  readonly parametersWithoutEmbedding?: number;
  /** Further facts by a readable name, e.g. `Layers`. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/** All that a report shows; every form of it (HTML, Markdown, charts) is made from this alone. */
export interface Report extends RecordSet {
  readonly kind: 'validation';
  readonly title: string;
  readonly model: ReportModel;
  readonly samples: readonly Sample[];
  readonly curves?: readonly Curve[];
  readonly protocol: readonly ProtocolItem[];
  /** The parts of the job in their order. */
  readonly stages?: readonly ReportStage[];
  /** The rise of perplexity that the gate allows each variant, 0.02 for 2%; absent where none were compared. */
  readonly bounds?: Readonly<Record<string, number>>;
  /** What holds, in plain sentences, as far as the numbers alone do not say it. */
  readonly findings?: readonly string[];
  /** What should hold and does not, in plain sentences. */
  readonly failures?: readonly string[];
}
