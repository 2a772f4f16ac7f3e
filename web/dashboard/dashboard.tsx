import { api } from '../shared/api.ts';
import { Layout } from '../shared/layout.tsx';
import { ServedModel } from '../shared/served-model.tsx';
import { useLoaded } from '../shared/use-loaded.ts';
import { AdaptationRuns } from './adaptation-runs.tsx';
import { FeedbackOverview } from './feedback-overview.tsx';
import { LiveMetrics } from './live-metrics.tsx';
import { VariantComparison } from './variant-comparison.tsx';
import { VariantTable } from './variant-table.tsx';
import { Versions } from './versions.tsx';

/** The page of whoever operates the server. */
export function Dashboard() {
  const ready = useLoaded(api.ready);
  const models = useLoaded(api.models);
  const isWithoutStore = ready.value?.store === 'none';
  // Also where the server says that it is not ready: what can be shown then is shown.
  const isAnswered = ready.value !== undefined || ready.error !== undefined;
  return (
    <Layout
      page="Dashboard"
      lead="What the server does, what people say of it, and which versions answer."
      about={<ServedModel ready={ready} />}
    >
      <LiveMetrics />
      {isWithoutStore && (
        <section class="card" aria-labelledby="no-store-title">
          <h2 id="no-store-title">Feedback, adaptation and versions</h2>
          <p>
            This server has no store, so it keeps no feedback and no versions. Start it with one:{' '}
            <code>itera-lite serve --store my-store</code>
          </p>
        </section>
      )}
      {isAnswered && !isWithoutStore && (
        <>
          <FeedbackOverview />
          <AdaptationRuns />
          <Versions onChange={ready.reload} />
        </>
      )}
      <VariantTable models={models} />
      <VariantComparison models={models.value ?? []} />
    </Layout>
  );
}
