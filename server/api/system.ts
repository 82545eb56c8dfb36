import { openApiDocument } from '../contract/api/openapi.ts'
import type { systemRoutes } from '../contract/api/system.ts'
import { AppError, type SystemInfo } from '../contract/index.ts'
import type { StoreMeasure } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import type { ApiOptions } from './context.ts'
import { given } from './input.ts'
import type { Handlers } from './serve.ts'

const isoOrNull = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString()

/** A span as the configuration writes it. */
const spanText = (ms: number): string => {
  const hours = Math.round(ms / 3_600_000)
  return hours > 48 && hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`
}

const retentionOf = (measured: StoreMeasure | null): SystemInfo['retention'] => {
  if (measured === null) return { raw: '48h' }
  const { retention, pruned } = measured
  return {
    raw: spanText(retention.samplesMs),
    events: spanText(retention.eventsMs),
    incidents: 'forever',
    sizeBytes: retention.maxBytes,
    last:
      pruned === null
        ? null
        : {
            at: new Date(pruned.at).toISOString(),
            samples: pruned.samples,
            events: pruned.events,
            forSize: pruned.forSize,
          },
  }
}

const storeOf = (
  { ok, reason, bytes, samplesDropped, path, remedy, since, reads }: ReturnType<Store['health']>,
  measured: StoreMeasure | null,
): SystemInfo['store'] => ({
  ok,
  reason,
  bytes,
  ...(samplesDropped === undefined ? {} : { samplesDropped }),
  rows: measured?.rows ?? {},
  ...(path === undefined ? {} : { path }),
  remedy: remedy ?? null,
  since: since ?? null,
  usedBytes: measured?.usedBytes ?? null,
  growthBytesPerDay: measured?.growthBytesPerDay ?? null,
  oldest: {
    events: isoOrNull(measured?.oldest.events),
    samples: isoOrNull(measured?.oldest.samples),
  },
  ...(reads === undefined ? {} : { reads }),
  backup: measured?.backup ?? null,
})

/** Who is signed in, what the server is doing, and what was done. */
export const systemHandlers = (options: ApiOptions): Handlers<typeof systemRoutes> => {
  const { collector, live, store } = options
  const startedAt = options.startedAt ?? Date.now()
  let document: string | undefined

  return {
    getMe: ({ caller }) => ({ email: caller.name, role: caller.role, demo: options.demoMode }),
    async getSystem() {
      // Measuring needs the store; the page that reports its absence must not fail because of it.
      const measured = await options.measure?.().catch((error: unknown) => {
        if (error instanceof AppError) return null
        throw error
      })
      return {
        version: options.version,
        startedAt: new Date(startedAt).toISOString(),
        uptimeSeconds: Math.round((Date.now() - startedAt) / 1_000),
        // After measuring, which may have been what found the fault.
        store: storeOf(store.health(), measured ?? null),
        collector: collector.figures(),
        room: collector.room(),
        live: {
          hub: live.hub(),
          seq: live.seq(),
          subscribers: live.subscribers(),
          slowClosed: live.slowClosed(),
          ...(live.figures === undefined ? {} : { slowCut: live.figures().slowCut }),
        },
        retention: retentionOf(measured ?? null),
      }
    },
    listAudit: ({ query }) => store.auditRows(given(query)),
    getOpenApi({ context }) {
      document ??= JSON.stringify(openApiDocument(options.version))
      return context.body(document, 200, { 'Content-Type': 'application/json' })
    },
  }
}
