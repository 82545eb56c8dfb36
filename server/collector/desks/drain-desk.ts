import type {
  Actor,
  Drain,
  DrainAction,
  DrainActionRequest,
  DrainCreateRequest,
  DrainPlan,
  DrainPreviewRequest,
  Page,
} from '../../contract/index.ts'

/** What the API may ask of drains. Rejects with an `AppError`; what changes something writes its audit row first. */
export interface DrainDesk {
  preview(request: DrainPreviewRequest): Promise<DrainPlan>
  create(request: DrainCreateRequest, actor: Actor): Promise<Drain>
  get(id: string): Promise<Drain | null>
  list(filter: { active?: boolean; region?: string; limit?: number; cursor?: string }): Promise<Page<Drain>>
  act(id: string, action: DrainAction, request: DrainActionRequest, actor: Actor): Promise<Drain>
}
