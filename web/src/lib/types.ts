/** The API's shapes, as far as the page reads them. */

export type JobStatus = "queued" | "processing" | "completed" | "failed" | "cancelled";
export type ItemStatus = JobStatus | "pending" | "retrying";

export interface Notice {
  code?: string;
  message: string;
}

export interface ModelFile {
  filename: string;
  /** A model format such as `glb`, or `preview` or `turntable`. */
  format: string;
  size: number;
  url: string;
}

export interface Item {
  file_id: string;
  filename: string;
  status: ItemStatus;
  /** 0 to 100. */
  progress: number;
  attempts: number;
  warnings: (Notice | string)[];
  error?: Notice | string | null;
  files: ModelFile[];
  /** What is being done, as the stream last told; not part of a snapshot. */
  step?: string;
}

export interface Job {
  job_id: string;
  status: JobStatus;
  /** Milliseconds since 1970, or an RFC 3339 text. */
  created: number | string;
  ended?: number | string | null;
  options: Record<string, unknown>;
  items: Item[];
  /** Where its events are; signed where the server has keys. */
  stream_url: string;
}

interface OptionBase {
  name: string;
  help: string;
}

export type OptionSpec = OptionBase &
  (
    | { type: "integer"; min: number; max: number; default: number }
    | { type: "number"; min: number; max: number; default: number | null; unit: string }
    | { type: "choice"; values: string[]; default: string }
    | { type: "boolean"; default: boolean }
  );

export interface UploadLimits {
  /** Pictures. */
  max_files: number;
  /** Bytes of one picture. */
  max_file_bytes: number;
}

export interface ModelInfo {
  name: string;
  description: string;
  supported_formats: string[];
  options: OptionSpec[];
}

export interface UploadAnswer {
  job_id: string;
  task_id: string;
  message: string;
}

/** The data of any event of a job's stream. */
export interface StreamEvent {
  status?: string;
  /** Of the job in `task_progress`, of the item in `file_update`; 0 to 100. */
  progress?: number;
  /** Of the item, in `task_progress`. */
  file_progress?: number;
  step?: string;
  file_id?: string;
  filename?: string;
  error?: Notice | string | null;
}
