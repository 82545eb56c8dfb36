// A process that sends what is due of a database, to be killed while it does: node killed-sender.ts DATABASE CHANNELS LEASE_MS

import { Courier } from '../../../server/collector/notify/courier.ts'
import type { ChannelConfig } from '../../../server/contract/index.ts'
import { createLog } from '../../../server/observe/log.ts'
import { SqliteStore } from '../../../server/store/sqlite-store.ts'

const [path = '', configs = '[]', leaseMs = '1000'] = process.argv.slice(2)
const log = createLog('test', 'silent')
const store = new SqliteStore({ url: `file:${path}`, log })
await store.open()
const courier = new Courier({
  store,
  live: { changed: () => undefined },
  log,
  now: Date.now,
  monotonic: () => performance.now(),
  incidentOf: (id) => store.incident(id),
  silencedBy: () => null,
  url: 'https://gate.example.com',
  times: { leaseMs: Number(leaseMs) },
})
courier.setChannels(JSON.parse(configs) as ChannelConfig[])
setInterval(() => void courier.look(), 20)
