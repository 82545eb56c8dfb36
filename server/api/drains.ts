import { z } from 'zod'
import {
  AppError,
  DRAIN_ACTIONS,
  drainActionSchema,
  drainCreateSchema,
  drainPreviewSchema,
  roleAllows,
} from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { given, noSuch, pageParameters, readBody, readQuery } from './input.ts'

const listQuery = z
  .object({
    ...pageParameters,
    active: z
      .enum(['true', 'false'], 'must be true or false')
      .transform((text) => text === 'true')
      .optional(),
    region: z.string().max(63).optional(),
  })
  .strict()

/** Taking regions and nodes out of service, and back. */
export const addDrains = (app: ApiApp, { needs }: Access, { collector: { drains } }: ApiOptions): void => {
  app.post(
    '/drains/preview',
    needs('operator', async (c) => c.json(await drains.preview(await readBody(c, drainPreviewSchema)))),
  )
  app.post(
    '/drains',
    needs('operator', async (c, caller) => {
      const request = await readBody(c, drainCreateSchema)
      if (request.force === true && !roleAllows(caller.role, 'admin')) {
        throw new AppError(
          'ERR_FORBIDDEN',
          `Only an administrator may override blockers; you are ${caller.role}`,
          { needed: 'admin', role: caller.role },
        )
      }
      return c.json(await drains.create(request, caller), 201)
    }),
  )
  app.get(
    '/drains',
    needs('viewer', async (c) => c.json(await drains.list(given(readQuery(c, listQuery))))),
  )
  app.get(
    '/drains/:id',
    needs('viewer', async (c) => {
      const id = c.req.param('id') ?? ''
      const drain = await drains.get(id)
      if (drain === null) throw noSuch('drain', id)
      return c.json(drain)
    }),
  )
  for (const action of DRAIN_ACTIONS) {
    app.post(
      `/drains/:id/${action}`,
      needs('operator', async (c, caller) => {
        const request = await readBody(c, drainActionSchema)
        const id = c.req.param('id') ?? ''
        if ((await drains.get(id)) === null) throw noSuch('drain', id)
        return c.json(await drains.act(id, action, request, caller))
      }),
    )
  }
}
