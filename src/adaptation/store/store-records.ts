/** What people say of a model's output, as it is handed in. At least one judgement: `rating`, `correct` or `correction`. */
export interface NewFeedback {
  /** The inference that it is about, if that was recorded; prompt, output, client and version then come from there. */
  readonly inferenceId?: string;
  readonly prompt: string;
  /** What the model wrote after the prompt; may be absent where `correction` says what it should have written. */
  readonly output?: string;
  /** 1 (worst) to 5. */
  readonly rating?: number;
  readonly correct?: boolean;
  /** What should stand in the place of `output`. */
  readonly correction?: string;
  readonly comment?: string;
  /** Who says so, by any name that stays the same; absent: the operator. */
  readonly client?: string;
  readonly tags?: readonly string[];
  /** Version of the model that wrote `output`. */
  readonly version?: string;
}

export interface StoredFeedback extends NewFeedback {
  /** UUID. */
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** What a model was asked and wrote. */
export interface NewInference {
  readonly prompt: string;
  readonly output: string;
  readonly client?: string;
  readonly version?: string;
  readonly variant?: string;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
}

/** All feedback, counted. */
export interface FeedbackSummary {
  readonly total: number;
  /** With a bad judgement. */
  readonly negative: number;
  readonly corrections: number;
  /** How much feedback has each rating that was given. */
  readonly ratings: Readonly<Record<string, number>>;
  /** By version of the model, those with most feedback first; without a name: what named no version. */
  readonly versions: readonly { readonly version?: string; readonly total: number; readonly negative: number }[];
  /** The last pieces, newest first. */
  readonly recent: readonly StoredFeedback[];
}

/** Feedback to be listed or deleted. Given parts are all required; without any, all feedback is meant. */
export interface FeedbackFilter {
  readonly ids?: readonly string[];
  readonly client?: string;
  readonly tag?: string;
  readonly version?: string;
  /** Only what came after this moment, ISO 8601. */
  readonly since?: string;
}

/** What started a run. */
export type RunTrigger = 'manual' | 'negativeFeedback' | 'schedule';

/** `running` until it ends; `skipped`: there was too little feedback to learn from. */
export type RunStatus = 'running' | 'promoted' | 'canary' | 'rejected' | 'skipped' | 'failed';

/** A run to be begun. */
export interface NewRun {
  readonly trigger: RunTrigger;
  readonly seed: number;
  /** The version that it starts from. */
  readonly parent: string;
  /** Everything that decides the result, as plain JSON. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A run as the store records it. */
export interface AdaptationRun extends NewRun {
  readonly id: string;
  readonly status: RunStatus;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** ISO 8601, UTC; absent while it runs. */
  readonly endedAt?: string;
  /** The version that it made, if it came so far. */
  readonly candidate?: string;
  /** The gate's evidence, as plain JSON. */
  readonly evidence?: Readonly<Record<string, unknown>>;
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** `kept`: neither rejected nor in use; `deleted`: its folder is gone, by the retention rule. */
export type VersionState = 'kept' | 'rejected' | 'deleted';

/** A version to be recorded. */
export interface NewVersion {
  /** `v1`, `v2` and so on. */
  readonly id: string;
  /** The version that it was learnt from; absent for the first. */
  readonly parent?: string;
  /** The run that made it; absent for the first. */
  readonly runId?: string;
  /** Name of the model that it descends from. */
  readonly model: string;
  /** Folder, relative to the versions' folder. */
  readonly folder: string;
  /** Hexadecimal sha256 of each of its files, by path within the folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly state: VersionState;
}

/** A version as the store records it. */
export interface ModelVersion extends NewVersion {
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** Which versions answer. */
export interface Deployment {
  readonly promoted: string;
  /** What was promoted before, and a rollback returns to. */
  readonly previous?: string;
  readonly canary?: { readonly version: string /** Share of clients, above 0 and below 1. */; readonly share: number };
  /** When it became so, ISO 8601. */
  readonly since: string;
}

/** A change of the deployment, with what is written into the audit log about it. */
export interface DeploymentChange {
  readonly action: 'promote' | 'canary' | 'endCanary' | 'rollback';
  readonly next: Omit<Deployment, 'since'>;
  /** By hand, by the gate, or by the test on live feedback; and why. */
  readonly reason: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

/** How a run ends; all of it becomes true at once, or none. */
export interface RunEnd {
  readonly status: Exclude<RunStatus, 'running'>;
  readonly evidence?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
  /** The version that it made. */
  readonly version?: NewVersion;
  readonly deployment?: DeploymentChange;
}

/** One entry of the audit log. `hash` is the sha256 of `previous` and the rest, so that no entry can be changed alone. */
export interface AuditEntry {
  /** 1, 2, 3 and so on, without a gap. */
  readonly sequence: number;
  readonly at: string;
  readonly action: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly previous: string;
  readonly hash: string;
}

/** What verifying the audit log came to. */
export interface AuditCheck {
  readonly entries: number;
  /** Absent if the chain is whole. */
  readonly fault?: { readonly sequence: number; readonly problem: string };
}

/** Judgements on one version's outputs in the order in which they came; true is a bad one. */
export interface LiveJudgements {
  readonly version: string;
  readonly bad: readonly boolean[];
}

/** Everything that must outlive a process: feedback, runs, versions, and what was decided. */
export interface AdaptationStore {
  /** `embedded`: a folder that one process holds; `server`: a PostgreSQL server. */
  readonly kind: 'embedded' | 'server';
  /** Folder, or URL without its password. */
  readonly location: string;
  /** A UUID that was made with the store and stays. */
  readId(): Promise<string>;

  /** Keeps what the model was asked and answered, and returns its id, which feedback can refer to. */
  recordInference(inference: NewInference): Promise<string>;
  /**
   * Keeps feedback, all or nothing; what the same client has said before of the same prompt and output in the same words
   * is not kept twice.
   *
   * @returns The ids of what was kept, and how many were there already.
   * @throws {@link IteraError} `FEEDBACK_INVALID` for an inference that is not recorded.
   */
  addFeedback(items: readonly NewFeedback[]): Promise<{ readonly ids: readonly string[]; readonly duplicates: number }>;
  /** In the order in which it came. */
  listFeedback(filter?: FeedbackFilter): Promise<readonly StoredFeedback[]>;
  /** Counts all feedback, and shows the last pieces of it, `recent` at most. */
  summarizeFeedback(recent: number): Promise<FeedbackSummary>;
  /** Deletes feedback, and of a whole client also its inferences; the audit log keeps ids and a count, no content. */
  deleteFeedback(filter: FeedbackFilter): Promise<number>;
  /** Feedback with a bad judgement since the last run that was not skipped or failed started. */
  countNewNegative(): Promise<number>;
  /** How what a version answered was judged, without what says neither good nor bad. */
  liveJudgements(version: string): Promise<LiveJudgements>;

  /**
   * Begins a run, unless one is running, in this process or another.
   *
   * @throws {@link IteraError} `RUN_IN_PROGRESS`.
   */
  startRun(run: NewRun): Promise<AdaptationRun>;
  /** Says that a run is alive; one that has not been touched for a minute, or whose process has ended, counts as crashed. */
  touchRun(id: string): Promise<void>;
  /** @throws {@link IteraError} `RUN_IN_PROGRESS` if the run is not running any more: another process took it for crashed. */
  endRun(id: string, end: RunEnd): Promise<AdaptationRun>;
  /** Marks runs that crashed as failed. */
  failCrashedRuns(): Promise<readonly string[]>;
  /** Newest first. */
  listRuns(limit?: number): Promise<readonly AdaptationRun[]>;

  /** Keeps the first version of all, promoted; does nothing if there is one. */
  addBaseVersion(version: NewVersion): Promise<void>;
  /** All versions, in the order in which they were made. */
  listVersions(): Promise<readonly ModelVersion[]>;
  /** Records that the folders of versions are gone. */
  markDeleted(ids: readonly string[]): Promise<void>;
  /** Undefined before the first version. */
  deployment(): Promise<Deployment | undefined>;
  /**
   * Changes what answers, if it still is what the change was decided on.
   *
   * @throws {@link IteraError} `VERSION_UNKNOWN`, `DEPLOYMENT_CHANGED` if it is not `from` any more.
   */
  changeDeployment(from: Deployment, change: DeploymentChange): Promise<Deployment>;

  /** The whole audit log, oldest first. */
  readAudit(): Promise<readonly AuditEntry[]>;
  /** Follows the chain of hashes of the audit log from its beginning. */
  verifyAudit(): Promise<AuditCheck>;
  /** Closes the store; every method throws `STORE_UNAVAILABLE` afterwards. */
  close(): Promise<void>;
}
