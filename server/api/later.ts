import { AppError } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { noSuch } from './input.ts'

const notYet = (what: string) => new AppError('ERR_UNSUPPORTED', `This version cannot ${what} yet`, {})

/** Calls that are documented and not built yet. They say so, to those who will be allowed to use them. */
export const addLater = (app: ApiApp, { needs }: Access, { collector }: ApiOptions): void => {
  const ofNode = (path: string, what: string) =>
    app.post(
      path,
      needs('operator', (c) => {
        const id = c.req.param('id') ?? ''
        if (collector.node(id) === null) throw noSuch('node', id)
        throw notYet(what)
      }),
    )
  ofNode('/nodes/:id/push/breaker', "set a push client's breaker")
  ofNode('/nodes/:id/tokens/restore', 'restore pruned tokens')
  app.get(
    '/config',
    needs('admin', () => {
      throw notYet('show its configuration')
    }),
  )
  app.post(
    '/config/check',
    needs('admin', () => {
      throw notYet('check a configuration over the API; `tidegate check-config FILE` does')
    }),
  )
}
