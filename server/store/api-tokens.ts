import type { Role } from '../contract/index.ts'
import type { PrismaClient, ApiToken as Row } from './generated/client.ts'
import type { StoredApiToken } from './store.ts'
import { epochMs, isoTime, isoTimeOrNull } from './time.ts'

const toToken = (row: Row): StoredApiToken => ({
  id: row.id,
  name: row.name,
  role: row.role as Role,
  hash: row.hash,
  createdAt: isoTime(row.createdAt),
  expiresAt: isoTimeOrNull(row.expiresAt),
  lastUsedAt: isoTimeOrNull(row.lastUsedAt),
})

const epochOrNull = (time: string | null): bigint | null => (time === null ? null : BigInt(epochMs(time)))

export const readApiTokens = async (prisma: PrismaClient): Promise<StoredApiToken[]> =>
  (await prisma.apiToken.findMany({ orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] })).map(toToken)

export const addApiToken = async (prisma: PrismaClient, token: StoredApiToken): Promise<void> => {
  await prisma.apiToken.create({
    data: {
      ...token,
      createdAt: BigInt(epochMs(token.createdAt)),
      expiresAt: epochOrNull(token.expiresAt),
      lastUsedAt: epochOrNull(token.lastUsedAt),
    },
  })
}

export const removeApiToken = async (prisma: PrismaClient, id: string): Promise<boolean> =>
  (await prisma.apiToken.deleteMany({ where: { id } })).count > 0

/** A token that was removed meanwhile is not a fault. */
export const touchApiToken = async (prisma: PrismaClient, id: string, at: string): Promise<void> => {
  await prisma.apiToken.updateMany({ where: { id }, data: { lastUsedAt: BigInt(epochMs(at)) } })
}
