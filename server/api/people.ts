import { tokenCreateSchema, userCreateSchema, userPatchSchema } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { pageOf, pageQuery, readBody, readQuery } from './input.ts'

/** Users and API tokens. */
export const addPeople = (app: ApiApp, { needs }: Access, { auth: { users, tokens } }: ApiOptions): void => {
  app.get(
    '/users',
    needs('admin', async (c) =>
      c.json(
        pageOf(
          'users',
          await users.list(),
          (user) => `${user.createdAt} ${user.email}`,
          readQuery(c, pageQuery),
        ),
      ),
    ),
  )
  app.post(
    '/users',
    needs('admin', async (c, caller) =>
      c.json(await users.create(await readBody(c, userCreateSchema), caller), 201),
    ),
  )
  app.patch(
    '/users/:id',
    needs('admin', async (c, caller) =>
      c.json(await users.change(c.req.param('id') ?? '', await readBody(c, userPatchSchema), caller)),
    ),
  )
  app.delete(
    '/users/:id',
    needs('admin', async (c, caller) => {
      await users.remove(c.req.param('id') ?? '', caller)
      return c.body(null, 204)
    }),
  )

  app.get(
    '/tokens',
    needs('admin', (c) =>
      c.json(pageOf('tokens', tokens.list(), (token) => token.id, readQuery(c, pageQuery))),
    ),
  )
  app.post(
    '/tokens',
    needs('admin', async (c, caller) =>
      c.json(await tokens.create(await readBody(c, tokenCreateSchema), caller), 201),
    ),
  )
  app.delete(
    '/tokens/:id',
    needs('admin', async (c, caller) => {
      await tokens.remove(c.req.param('id') ?? '', caller)
      return c.body(null, 204)
    }),
  )
}
