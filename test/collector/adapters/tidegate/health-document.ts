import type { Health } from '../../../../server/contract/index.ts'

type Parts = Partial<Omit<Health, 'proxy' | 'relay' | 'push'>> & {
  proxy?: Partial<NonNullable<Health['proxy']>> | null
  relay?: Partial<NonNullable<Health['relay']>> | null
  push?: Partial<NonNullable<Health['push']>> | null
}

/** A true health document of a node with all parts; a part given as null is absent. */
export const healthDocument = (parts: Parts = {}): Health => {
  const { proxy, relay, push, ...rest } = parts
  return {
    ok: true,
    state: 'serving',
    region: 'fra',
    node: 'fra-1',
    version: '0.1.0',
    epoch: 'run1',
    startedAt: '2026-04-27T18:00:00.000Z',
    uptimeSeconds: 9_300,
    seq: 0,
    ...(proxy === null
      ? {}
      : {
          proxy: {
            connections: { active: 3, accepted: 10, closed: 7, rejected: {} },
            closedBy: { finished: 7 },
            bytes: { upstream: 100, downstream: 200 },
            requests: { total: 20, byStatus: { '2xx': 20 } },
            targets: [],
            ...proxy,
          },
        }),
    ...(relay === null
      ? {}
      : {
          relay: {
            tunnels: { current: 4, registered: 4, lost: 0, reconnected: 0, refused: {} },
            closedBy: {},
            requests: { total: 0, pending: 0, byStatus: {} },
            directory: { backend: 'shared', reachable: true, entries: 4, mismatches: 0 },
            ...relay,
          },
        }),
    ...(push === null
      ? {}
      : {
          push: {
            received: 0,
            sendOk: 0,
            sendRejected: {},
            sendFail: 0,
            sendRetried: 0,
            noTokens: 0,
            sessionAlive: true,
            sessionAgeSeconds: 12,
            sessionConnects: 1,
            sessionInvalidations: 0,
            sessionInvalidationsByReason: {},
            pruneOnBadDeviceToken: 0,
            pruneOnUnregistered: 0,
            pruneOnTopicMismatch: 0,
            pruneOther: 0,
            breaker: 'closed',
            tokens: 10,
            lastReceivedAt: null,
            lastSendAt: null,
            lastOkAt: null,
            lastFailureAt: null,
            lastFailureReason: null,
            ...push,
          },
        }),
    drain: {
      phase: null,
      startedAt: null,
      reason: null,
      budgetSeconds: { preDrain: 10, http: 45, tunnels: 10, margin: 10 },
      ceilingSeconds: 120,
      fits: true,
      remaining: { connections: 3, requests: 0, tunnels: 4, pushes: 0 },
    },
    process: { rssBytes: 1_000, eventLoopDelayP99Ms: 2, openFds: 30, cpuSeconds: 1 },
    ...rest,
  }
}
