import type { Tunnel } from '../contract/index.ts'
import type { Connection } from './connection.ts'
import type { PrismaClient } from './generated/client.ts'
import type { UnreadableRows } from './unreadable-rows.ts'

const rowsPerStatement = 1_000

/** Inserts or replaces by host, in one transaction. */
export const saveTunnels = async (connection: Connection, tunnels: readonly Tunnel[]): Promise<void> => {
  // One statement may not touch a row twice; the last row of a host counts.
  const rows = [...new Map(tunnels.map((tunnel) => [tunnel.hostId, tunnel])).values()]
  if (rows.length === 0) return
  await connection.transaction(async (run) => {
    for (let start = 0; start < rows.length; start += rowsPerStatement) {
      const batch = rows.slice(start, start + rowsPerStatement)
      await run(
        `INSERT INTO "tunnels" ("hostId", "region", "node", "state", "data") VALUES ${batch.map(() => '(?, ?, ?, ?, ?)').join(', ')}
         ON CONFLICT ("hostId") DO UPDATE SET "region" = excluded."region", "node" = excluded."node", "state" = excluded."state", "data" = excluded."data"`,
        batch.flatMap((tunnel) => [
          tunnel.hostId,
          tunnel.region,
          tunnel.node,
          tunnel.state,
          JSON.stringify(tunnel),
        ]),
      )
    }
  })
}

/** Removes hosts that no longer matter. */
export const forgetTunnels = async (connection: Connection, hostIds: readonly string[]): Promise<void> => {
  if (hostIds.length === 0) return
  await connection.transaction(async (run) => {
    for (let start = 0; start < hostIds.length; start += rowsPerStatement) {
      const batch = hostIds.slice(start, start + rowsPerStatement)
      await run(`DELETE FROM "tunnels" WHERE "hostId" IN (${batch.map(() => '?').join(', ')})`, batch)
    }
  })
}

export const readTunnels = async (prisma: PrismaClient, unreadable: UnreadableRows): Promise<Tunnel[]> =>
  (await prisma.tunnel.findMany({ orderBy: { hostId: 'asc' } }))
    .map((row) => unreadable.read('tunnels', row.hostId, () => JSON.parse(row.data) as Tunnel))
    .filter((tunnel) => tunnel !== null)
