-- Tables of src/adaptation/store/store-schema.ts. drizzle-orm makes the schema, for its own table of migrations.
CREATE TABLE "itera_lite"."inferences" (
  "id" uuid PRIMARY KEY,
  "position" bigint GENERATED ALWAYS AS IDENTITY,
  "created_at" timestamp(3) with time zone NOT NULL DEFAULT now(),
  "client" text,
  "prompt" text NOT NULL,
  "output" text NOT NULL,
  "version" text,
  "variant" text,
  "prompt_tokens" integer,
  "output_tokens" integer,
  CONSTRAINT "inferences_tokens" CHECK ("prompt_tokens" >= 0 AND "output_tokens" >= 0)
);
--> statement-breakpoint
CREATE INDEX "inferences_client" ON "itera_lite"."inferences" ("client");
--> statement-breakpoint
CREATE TABLE "itera_lite"."feedback" (
  "id" uuid PRIMARY KEY,
  "position" bigint GENERATED ALWAYS AS IDENTITY,
  "created_at" timestamp(3) with time zone NOT NULL,
  "inference_id" uuid,
  "client" text,
  "prompt" text NOT NULL,
  "output" text,
  "rating" smallint,
  "correct" boolean,
  "correction" text,
  "comment" text,
  "tags" text[],
  "version" text,
  "content_hash" text NOT NULL,
  CONSTRAINT "feedback_inference_id" FOREIGN KEY ("inference_id")
    REFERENCES "itera_lite"."inferences" ("id") ON DELETE SET NULL,
  CONSTRAINT "feedback_content_hash" UNIQUE ("content_hash"),
  CONSTRAINT "feedback_rating" CHECK ("rating" BETWEEN 1 AND 5),
  CONSTRAINT "feedback_judgement" CHECK ("rating" IS NOT NULL OR "correct" IS NOT NULL OR "correction" IS NOT NULL),
  CONSTRAINT "feedback_text" CHECK ("output" IS NOT NULL OR "correction" IS NOT NULL)
);
--> statement-breakpoint
CREATE INDEX "feedback_position" ON "itera_lite"."feedback" ("position");
--> statement-breakpoint
CREATE INDEX "feedback_created_at" ON "itera_lite"."feedback" ("created_at");
--> statement-breakpoint
CREATE INDEX "feedback_client" ON "itera_lite"."feedback" ("client");
--> statement-breakpoint
CREATE INDEX "feedback_version" ON "itera_lite"."feedback" ("version", "position");
--> statement-breakpoint
CREATE INDEX "feedback_inference" ON "itera_lite"."feedback" ("inference_id");
--> statement-breakpoint
CREATE TABLE "itera_lite"."adaptation_runs" (
  "id" uuid PRIMARY KEY,
  "position" bigint GENERATED ALWAYS AS IDENTITY,
  "status" text NOT NULL,
  "trigger" text NOT NULL,
  "seed" bigint NOT NULL,
  "parent" text NOT NULL,
  "settings" jsonb NOT NULL,
  "started_at" timestamp(3) with time zone NOT NULL,
  "ended_at" timestamp(3) with time zone,
  "candidate" text,
  "evidence" jsonb,
  "reason" text,
  "pid" integer NOT NULL,
  "host" text NOT NULL,
  "heartbeat" timestamp(3) with time zone NOT NULL,
  CONSTRAINT "adaptation_runs_status"
    CHECK ("status" IN ('running', 'promoted', 'canary', 'rejected', 'skipped', 'failed')),
  CONSTRAINT "adaptation_runs_trigger" CHECK ("trigger" IN ('manual', 'negativeFeedback', 'schedule')),
  CONSTRAINT "adaptation_runs_ended" CHECK (("status" = 'running') = ("ended_at" IS NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX "adaptation_runs_one_running" ON "itera_lite"."adaptation_runs" ("status")
  WHERE "status" = 'running';
--> statement-breakpoint
CREATE TABLE "itera_lite"."model_versions" (
  "id" text PRIMARY KEY,
  "position" bigint GENERATED ALWAYS AS IDENTITY,
  "created_at" timestamp(3) with time zone NOT NULL,
  "parent" text,
  "run_id" uuid,
  "model" text NOT NULL,
  "folder" text NOT NULL,
  "files" jsonb NOT NULL,
  "state" text NOT NULL,
  CONSTRAINT "model_versions_parent" FOREIGN KEY ("parent") REFERENCES "itera_lite"."model_versions" ("id"),
  CONSTRAINT "model_versions_run_id" FOREIGN KEY ("run_id") REFERENCES "itera_lite"."adaptation_runs" ("id"),
  CONSTRAINT "model_versions_id" CHECK ("id" ~ '^v[1-9][0-9]*$'),
  CONSTRAINT "model_versions_state" CHECK ("state" IN ('kept', 'rejected', 'deleted'))
);
--> statement-breakpoint
ALTER TABLE "itera_lite"."adaptation_runs"
  ADD CONSTRAINT "adaptation_runs_parent" FOREIGN KEY ("parent") REFERENCES "itera_lite"."model_versions" ("id"),
  ADD CONSTRAINT "adaptation_runs_candidate" FOREIGN KEY ("candidate") REFERENCES "itera_lite"."model_versions" ("id");
--> statement-breakpoint
CREATE TABLE "itera_lite"."deployment" (
  "only" boolean PRIMARY KEY DEFAULT true,
  "promoted" text NOT NULL,
  "previous" text,
  "canary_version" text,
  "canary_share" double precision,
  "since" timestamp(3) with time zone NOT NULL,
  CONSTRAINT "deployment_promoted" FOREIGN KEY ("promoted") REFERENCES "itera_lite"."model_versions" ("id"),
  CONSTRAINT "deployment_previous" FOREIGN KEY ("previous") REFERENCES "itera_lite"."model_versions" ("id"),
  CONSTRAINT "deployment_canary_version" FOREIGN KEY ("canary_version") REFERENCES "itera_lite"."model_versions" ("id"),
  CONSTRAINT "deployment_only" CHECK ("only"),
  CONSTRAINT "deployment_canary" CHECK (("canary_version" IS NULL) = ("canary_share" IS NULL)),
  CONSTRAINT "deployment_share" CHECK ("canary_share" > 0 AND "canary_share" < 1)
);
--> statement-breakpoint
CREATE TABLE "itera_lite"."audit" (
  "sequence" bigint PRIMARY KEY,
  "at" timestamp(3) with time zone NOT NULL,
  "action" text NOT NULL,
  "detail" jsonb NOT NULL,
  "previous" text NOT NULL,
  "hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "itera_lite"."audit_head" (
  "only" boolean PRIMARY KEY DEFAULT true,
  "store_id" uuid NOT NULL DEFAULT gen_random_uuid(),
  "sequence" bigint NOT NULL,
  "at" timestamp(3) with time zone NOT NULL,
  "hash" text NOT NULL,
  CONSTRAINT "audit_head_only" CHECK ("only")
);
--> statement-breakpoint
INSERT INTO "itera_lite"."audit_head" ("sequence", "at", "hash") VALUES (0, '2000-01-01 00:00:00+00', repeat('0', 64));
