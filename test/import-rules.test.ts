import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A file, one import in it, and words of the advice that forbids it. */
type Forbidden = [file: string, statement: string, advice: string]

const forbidden: Forbidden[] = [
  ['server/contract/states.ts', "import { log } from '../observe/log.ts'", 'shared with the browser'],
  ['server/contract/states.ts', "import { readFileSync } from 'node:fs'", 'may use zod only'],
  ['server/contract/states.ts', "import type { Server } from 'ws'", 'may use zod only'],
  [
    'server/contract/answers/node.ts',
    "import { log } from '../../observe/log.ts'",
    'shared with the browser',
  ],
  ['server/contract/answers/node.ts', "import { readFileSync } from 'node:fs'", 'may use zod only'],
  ['server/time/turn.ts', "import { AppError } from '../contract/errors.ts'", 'every room stands on it'],
  ['server/time/turn.ts', "import { setTimeout } from 'node:timers/promises'", 'nothing of Node'],
  ['server/time/turn.ts', "import { z } from 'zod'", 'no library'],
  [
    'server/wire/raw-answer.ts',
    "import { AppError } from '../contract/errors.ts'",
    'every room stands on it',
  ],
  ['server/wire/raw-answer.ts', "import { WebSocketServer } from 'ws'", 'node:* alone'],
  ['server/observe/log.ts', "import { openStore } from '../store/open.ts'", 'observe may import'],
  ['server/config/load.ts', "import { createApi } from '../api/app.ts'", 'config may import'],
  ['server/config/schema.ts', "import { Fleet } from '../collector/fleet/fleet.ts'", 'config may import'],
  ['server/auth/session.ts', "import { hub } from '../live/hub.ts'", 'auth may import'],
  ['server/auth/session.ts', "import type { Config } from '../config/schema.ts'", 'auth may import'],
  [
    'server/runtime/node/node.ts',
    "import { openStore } from '../store/open.ts'",
    'reports through the function',
  ],
  [
    'server/runtime/proxy/tcp.ts',
    "import type { Store } from '../../store/store.ts'",
    'reports through the function',
  ],
  [
    'server/runtime/proxy/deep/er.ts',
    "export { poll } from '../../../collector/poll.ts'",
    'reports through the function',
  ],
  ['server/runtime/node/node.ts', "import { useState } from 'react'", 'usable alone'],
  ['server/runtime/node/node.ts', "import next from 'next'", 'usable alone'],
  ['server/runtime/node/node.ts', "import { NextResponse } from 'next/server'", 'usable alone'],
  ['server/runtime/node/node.ts', "import { PrismaClient } from '@prisma/client'", 'usable alone'],
  ['server/runtime/node/node.ts', "import { parse } from 'yaml'", 'usable alone'],
  ['server/runtime/node/node.ts', "import pino from 'pino'", 'usable alone'],
  ['server/runtime/node/node.ts', "const { PrismaClient } = await import('@prisma/client')", 'usable alone'],
  ['server/store/prisma.ts', "import { judge } from '../collector/judge.ts'", 'store may import'],
  ['server/live/hub.ts', "import type { Store } from '../store/store.ts'", 'live may import'],
  ['server/live/hub.ts', "import { PrismaClient } from '@prisma/client'", 'Only server/store knows Prisma'],
  ['server/collector/poll.ts', "import { hub } from '../live/hub.ts'", 'collector may import'],
  ['server/collector/adapters/poll.ts', "import { hub } from '../../live/hub.ts'", 'collector may import'],
  ['server/collector/drains/driver.ts', "import { Pool } from 'undici'", 'speaks to nodes'],
  ['server/collector/collector.ts', "import { request } from 'node:http'", 'speaks to nodes'],
  ['server/collector/fleet/streams.ts', "import { WebSocket } from 'ws'", 'speaks to nodes'],
  [
    'server/collector/collector.ts',
    "import { Control } from './adapters/tidegate/control.ts'",
    'stays in its adapter',
  ],
  [
    'server/collector/judgement/judge.ts',
    "import type { JsonTarget } from '../adapters/json/adapter.ts'",
    'stays in its adapter',
  ],
  [
    'server/collector/drains/plan.ts',
    "import type { Health } from '../../contract/index.ts'",
    'take the facts',
  ],
  [
    'server/collector/drains/driver.ts',
    "import { healthSchema } from '../../contract/health.ts'",
    'take the facts',
  ],
  ['server/collector/probe/http.ts', "import { node } from '../../runtime/node.ts'", 'collector may import'],
  ['server/collector/poll.ts', "import { openStore } from '../store/prisma/open.ts'", 'interface alone'],
  [
    'server/collector/drains/run.ts',
    "import { Row } from '../../store/generated/client.ts'",
    'interface alone',
  ],
  [
    'server/collector/poll.ts',
    "import { PrismaClient } from '@prisma/client'",
    'Only server/store knows Prisma',
  ],
  ['server/api/tunnels.ts', "import { createNode } from '../runtime/node.ts'", 'api may import'],
  ['server/api/tunnels.ts', "import { load } from '../config/load.ts'", 'api may import'],
  ['server/api/demo.ts', "import { scenarios } from '../demo/scenarios.ts'", 'api may import'],
  [
    'server/api/tunnels.ts',
    "import { Row } from '../store/generated/client.ts'",
    'Only server/store knows Prisma',
  ],
  ['server/api/tunnels.ts', "import { cache } from 'react'", 'Page libraries'],
  [
    'server/api/tunnels.ts',
    "import { Panel } from '../../components/ui/panel.tsx'",
    'does not know the pages',
  ],
  ['server/api/tunnels.ts', "import { errors } from '@/server/contract/errors.ts'", 'relative path'],
  ['server/demo/fleet.ts', "import { openStore } from '../store/open.ts'", 'demo may import'],
  ['server/demo/fleet.ts', "import { poll } from '../collector/poll.ts'", 'demo may import'],
  ['server/cli.ts', "import { openStore } from './store/open.ts'", 'speak HTTP'],
  ['server/cli/status.ts', "import { poll } from '../collector/poll.ts'", 'speak HTTP'],
  ['server/api/tunnels.ts', "import { main } from '../main.ts'", 'Only server/cli.ts starts'],
  ['server/runtime/proxy/tcp.ts', "import type { Main } from '../../main.ts'", 'Only server/cli.ts starts'],
  ['server/demo/fleet.ts', "import { main } from '../main.ts'", 'Only server/cli.ts starts'],
  ['server/api/system.ts', "import { Tidegate } from '../main/tidegate.ts'", 'is its own'],
  ['server/collector/drains/run.ts', "import type { Tidegate } from '../../main/tidegate.ts'", 'is its own'],
  ['server/cli.ts', "import { Tidegate } from './main/tidegate.ts'", 'speak HTTP'],
  ['app/page.tsx', "import { readFileSync } from 'node:fs'", 'also runs in the browser'],
  ['app/page.tsx', "import { openStore } from '@/server/store/open'", 'through server/contract'],
  ['app/page.tsx', "import type { Store } from '../server/store/store'", 'through server/contract'],
  [
    'app/regions/[region]/page.tsx',
    "import { hub } from '../../../server/live/hub'",
    'through server/contract',
  ],
  ['app/page.tsx', "import { Turn } from '@/server/time/turn'", 'through server/contract'],
  ['app/page.tsx', "import { main } from '@/server/main'", 'through server/contract'],
  ['app/page.tsx', "import { PrismaClient } from '@prisma/client'", 'belongs to the server'],
  ['components/fleet/row.tsx', "import { hub } from '../../server/live/hub'", 'through server/contract'],
  [
    'components/fleet/row.tsx',
    "import type { Store } from '@/server/store/store'",
    'through server/contract',
  ],
  ['components/fleet/row.tsx', "import { join } from 'node:path'", 'also runs in the browser'],
  ['components/fleet/row.tsx', "import { WebSocket } from 'ws'", 'belongs to the server'],
  ['components/fleet/row.tsx', "import Page from '@/app/page'", 'do not know the routes'],
  ['components/fleet/row.tsx', "import Page from '../../app/page'", 'do not know the routes'],
  ['components/data/nodes.ts', "import { formatClock } from '../ui/format.ts'", 'uses none of them'],
  [
    'components/data/nodes.ts',
    "import type { Panel } from '@/components/panels/panel.tsx'",
    'uses none of them',
  ],
  ['components/data/nodes.ts', "import { hub } from '@/server/live/hub.ts'", 'through server/contract'],
  ['components/ui/table.tsx', "import { useNode } from '../data/nodes.ts'", 'never fetch'],
  ['components/charts/line.tsx', "import { useQuery } from '@tanstack/react-query'", 'never fetch'],
  ['components/charts/line.tsx', "import { useSeries } from '@/components/data/series.ts'", 'never fetch'],
]

const allowed: [file: string, statement: string][] = [
  ['server/contract/states.ts', "import { z } from 'zod'"],
  ['server/contract/states.ts', "import { errors } from './errors.ts'"],
  ['server/contract/answers/node.ts', "import { states } from '../states.ts'"],
  ['server/wire/raw-answer.ts', "import { STATUS_CODES } from 'node:http'"],
  ['server/live/socket.ts', "import { answerOnSocket } from '../wire/raw-answer.ts'"],
  ['server/time/latch.ts', "import { Turn } from './turn.ts'"],
  ['server/runtime/push/push.ts', "import { Rate } from '../../time/rate.ts'"],
  ['server/collector/poll.ts', "import { within } from '../time/deadline.ts'"],
  ['server/store/connection.ts', "import { Turn } from '../time/turn.ts'"],
  ['server/api/access.ts', "import { within } from '../time/deadline.ts'"],
  ['server/observe/log.ts', "import { Rate } from '../time/rate.ts'"],
  ['server/lifecycle.ts', "import { within } from './time/deadline.ts'"],
  ['server/config/load.ts', "import { states } from '../contract/states.ts'"],
  ['server/config/load.ts', "import { parse } from 'yaml'"],
  ['server/auth/session.ts', "import type { Store } from '../store/store.ts'"],
  ['server/runtime/proxy/tcp.ts', "import { connect } from 'node:net'"],
  ['server/runtime/proxy/tcp.ts', "import { readFile } from 'node:fs/promises'"],
  ['server/runtime/proxy/tcp.ts', "import { WebSocketServer } from 'ws'"],
  ['server/runtime/proxy/tcp.ts', "import { states } from '../../contract/states.ts'"],
  ['server/runtime/proxy/tcp.ts', "import { phases } from '../drain/phases.ts'"],
  ['server/runtime/node/node.ts', "import { log } from '../observe/log.ts'"],
  ['server/runtime/control/http.ts', "import { live } from './live/stream.ts'"],
  ['server/store/prisma.ts', "import { PrismaClient } from './generated/client.ts'"],
  ['server/live/hub.ts', "import { WebSocketServer } from 'ws'"],
  ['server/collector/adapters/http-probe.ts', "import { Pool } from 'undici'"],
  [
    'server/collector/adapters/tidegate/facts.ts',
    "import type { Health } from '../../../contract/health.ts'",
  ],
  ['server/collector/collector.ts', "import { Adapters } from './adapters/registry.ts'"],
  ['server/collector/judgement/judge.ts', "import type { Reading } from '../adapters/reading.ts'"],
  ['server/collector/drains/plan.ts', "import type { Node } from '../../contract/index.ts'"],
  ['server/collector/drains/run.ts', "import type { Store } from '../../store/store.ts'"],
  ['server/collector/drains/run.ts', "import { open } from '../incidents/open.ts'"],
  ['server/api/tunnels.ts', "import type { Collector } from '../collector/handle.ts'"],
  ['server/api/tunnels.ts', "import { hub } from '../live/hub.ts'"],
  ['server/api/tunnels.ts', "import { requireRole } from '../auth/session.ts'"],
  ['server/demo/fleet.ts', "import { createNode } from '../runtime/index.ts'"],
  ['server/cli.ts', "import { main } from './main.ts'"],
  ['server/cli.ts', "import { createNode } from './runtime/index.ts'"],
  ['server/cli/status.ts', "import { load } from '../config/load.ts'"],
  ['server/main.ts', "import { openStore } from './store/open.ts'"],
  ['server/main.ts', "import { Tidegate } from './main/tidegate.ts'"],
  ['server/main/pages.ts', "import next from 'next'"],
  ['server/main/tidegate.ts', "import { Collector } from '../collector/collector.ts'"],
  ['app/page.tsx', "import type { Region } from '@/server/contract'"],
  ['app/page.tsx', "import { states } from '@/server/contract/states'"],
  ['app/page.tsx', "import { Panel } from '@/components/panels/panel'"],
  ['app/page.tsx', "import { headers } from 'next/headers'"],
  ['components/fleet/row.tsx', "import { states } from '../../server/contract/states'"],
  ['components/data/link.ts', "import { Backoff } from '@/server/time/backoff'"],
  ['components/fleet/row.tsx', "import { useNode } from '../data/nodes.ts'"],
  ['components/data/nodes.ts', "import { useNow } from './clock.ts'"],
  ['components/data/nodes.ts', "import { plural } from '@/server/contract/words.ts'"],
  ['components/ui/time.tsx', "import { useNow } from '../data/clock.ts'"],
  ['components/charts/line.tsx', "import { useKnown } from '../data/known.ts'"],
  ['components/charts/line.tsx', "import { formatNumber } from '../ui/format.ts'"],
  ['components/fleet/row.tsx', "import { useQuery } from '@tanstack/react-query'"],
]

/** Advice found by the real Biome with the repository's own configuration, by file. */
const adviceByFile = new Map<string, string>()
let folder: string

/** Every statement gets a file of its own beside its name, so that a finding belongs to one statement. */
function place(file: string, index: number): string {
  const fixed = ['server/main.ts', 'server/cli.ts'].includes(file)
  return fixed ? `case-${index}/${file}` : `case-0/${file.replace(/(\.tsx?)$/, `-${index}$1`)}`
}

const cases = [...forbidden, ...allowed].map(([file, statement], index) => ({ file, statement, index }))

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-import-rules-'))
  const roots = new Set<string>()
  for (const { file, statement, index } of cases) {
    const path = place(file, index)
    roots.add(path.slice(0, path.indexOf('/')))
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${statement}\n`)
  }
  for (const each of roots) {
    cpSync(join(root, 'biome.json'), join(folder, each, 'biome.json'))
    const run = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/@biomejs/biome/bin/biome'),
        'lint',
        '--only=style/noRestrictedImports',
        '--max-diagnostics=none',
        '--reporter=json',
        '.',
      ],
      { cwd: join(folder, each), encoding: 'utf8', timeout: 20_000 },
    )
    const report = JSON.parse(run.stdout)
    for (const diagnostic of report.diagnostics) {
      const path = `${each}/${diagnostic.location.path.file ?? diagnostic.location.path}`
      adviceByFile.set(path, (adviceByFile.get(path) ?? '') + JSON.stringify(diagnostic))
    }
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('import rules', () => {
  it.each(forbidden.map((entry, index) => [...entry, index] as const))(
    'in %s, "%s" is refused with the advice "%s"',
    (file, _statement, advice, index) => {
      expect(adviceByFile.get(place(file, index)) ?? 'accepted').toContain(advice)
    },
  )

  it.each(allowed.map((entry, index) => [...entry, forbidden.length + index] as const))(
    'in %s, "%s" is accepted',
    (file, _statement, index) => {
      expect(adviceByFile.get(place(file, index)) ?? 'accepted').toBe('accepted')
    },
  )
})
