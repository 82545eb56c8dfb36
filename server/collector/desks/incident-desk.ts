import type {
  Actor,
  Annotation,
  AnnotationRequest,
  Incident,
  IncidentPatch,
  Page,
  Timeline,
  TimelineItem,
} from '../../contract/index.ts'

/** What the API may ask of incidents. */
export interface IncidentDesk {
  list(filter: {
    status?: string
    from?: string
    to?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Incident>>
  get(id: string): Promise<Incident | null>
  timeline(
    id: string,
    filter: { limit?: number; cursor?: string; kinds?: string[]; nodes?: string[]; text?: string },
  ): Promise<Timeline>
  export(id: string, format: 'md' | 'json'): Promise<string>
  /** `reason`, here and below, is for the audit. */
  acknowledge(id: string, actor: Actor, reason?: string): Promise<Incident>
  mitigate(id: string, actor: Actor, reason?: string): Promise<Incident>
  resolve(id: string, actor: Actor, reason?: string): Promise<Incident>
  note(id: string, text: string, actor: Actor): Promise<TimelineItem>
  patch(id: string, patch: IncidentPatch, actor: Actor): Promise<Incident>
  annotate(request: AnnotationRequest, actor: Actor): Promise<Annotation>
}
