import type { laterRoutes } from '../contract/api/later.ts'
import { AppError } from '../contract/index.ts'
import type { ApiOptions } from './context.ts'
import { noSuch } from './input.ts'
import type { Handlers } from './serve.ts'

const notYet = (what: string) => new AppError('ERR_UNSUPPORTED', `This version cannot ${what} yet`, {})

/** Calls that are documented and not built yet. They say so, to those who will be allowed to use them. */
export const laterHandlers = ({ collector }: ApiOptions): Handlers<typeof laterRoutes> => {
  const ofNode = (id: string, what: string): never => {
    if (collector.node(id) === null) throw noSuch('node', id)
    throw notYet(what)
  }
  return {
    setPushBreaker: ({ params }) => ofNode(params.id, "set a push client's breaker"),
    restoreTokens: ({ params }) => ofNode(params.id, 'restore pruned tokens'),
  }
}
