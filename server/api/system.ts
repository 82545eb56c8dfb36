import type { Me, SystemInfo } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { given, pageQuery, readQuery } from './input.ts'

/** Who is signed in, what the server is doing, and what was done. */
export const addSystem = (app: ApiApp, { needs }: Access, options: ApiOptions): void => {
  const { collector, live, store } = options
  const startedAt = options.startedAt ?? Date.now()

  app.get(
    '/me',
    needs('viewer', (c, caller) => {
      const me: Me = { email: caller.name, role: caller.role, demo: options.demoMode }
      return c.json(me)
    }),
  )
  app.get(
    '/system',
    needs('viewer', async (c) => {
      const { ok, reason, bytes } = store.health()
      // Counting needs the store; the page that says it is away must not fail for it.
      const rows = await store.rowCounts().catch((error: unknown) => {
        if (store.health().ok) throw error
        return {}
      })
      const info: SystemInfo = {
        version: options.version,
        startedAt: new Date(startedAt).toISOString(),
        uptimeSeconds: Math.round((Date.now() - startedAt) / 1_000),
        store: { ok, reason, bytes, rows },
        collector: collector.figures(),
        live: {
          hub: live.hub(),
          seq: live.seq(),
          subscribers: live.subscribers(),
          slowClosed: live.slowClosed(),
        },
        retention: { raw: '48h' },
      }
      return c.json(info)
    }),
  )
  app.get(
    '/audit',
    needs('viewer', async (c) => c.json(await store.auditRows(given(readQuery(c, pageQuery))))),
  )
}
