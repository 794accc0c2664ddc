{{/*
What the templates share. Rules of this file: a name is made here and nowhere else; what two objects must agree in is said once.
*/}}

{{- define "quietline.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "quietline.labels" -}}
{{ include "quietline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Labels by which the objects of this release are found. */}}
{{- define "quietline.selector" -}}
app.kubernetes.io/name: quietline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "quietline.host" -}}
{{- .Values.publicUrl | trimPrefix "https://" | splitList ":" | first -}}
{{- end -}}

{{- define "quietline.image" -}}
{{- $image := .image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .version }}
{{- end -}}
{{- end -}}

{{- define "quietline.claim" -}}
{{- .Values.keys.existingClaim | default (printf "%s-keys" (include "quietline.name" .)) -}}
{{- end -}}

{{/* Entries of the Secret that the bridge reads, as {"entries": [...]}. */}}
{{- define "quietline.entries" -}}
{{- $entries := list "as_token" "vault_key" "index_key" "suppression_key" "database_url" -}}
{{- if .Values.homeserver.adminToken }}{{ $entries = append $entries "admin_token" }}{{ end -}}
{{- range .Values.carrier.secrets }}{{ $entries = append $entries (printf "carrier_%s" .) }}{{ end -}}
{{- if .Values.line.calendar.address }}{{ $entries = append $entries "calendar_address" }}{{ end -}}
{{- if .Values.line.onCall.webhook }}{{ $entries = append $entries "on_call_webhook" }}{{ end -}}
{{- if .Values.line.onCall.email.password }}{{ $entries = append $entries "on_call_mail_password" }}{{ end -}}
{{- if .Values.canary.enabled }}{{ $entries = append $entries "canary" }}{{ end -}}
{{- dict "entries" $entries | toJson -}}
{{- end -}}

{{/*
The configuration as the program reads it. `host` and `port`: where the bridge is; for jobs, behind the gate.
A secret is a file of the projected volume, which stands for systemd's credentials: the directory is CREDENTIALS_DIRECTORY.
*/}}
{{- define "quietline.config" -}}
{{- $v := .root.Values -}}
{{- $at := "/run/credentials" -}}
{{- $homeserver := dict "url" $v.homeserver.url "server_name" $v.serverName "joined" true "policy_localpart" $v.homeserver.policyLocalpart "as_token_file" (printf "%s/as_token" $at) -}}
{{- with $v.homeserver.publicUrl }}{{ $_ := set $homeserver "public_url" . }}{{ end -}}
{{- if $v.homeserver.adminToken }}{{ $_ := set $homeserver "admin_token_file" (printf "%s/admin_token" $at) }}{{ end -}}
{{- $carrier := omit $v.carrier "secrets" -}}
{{- range $v.carrier.secrets }}{{ $_ := set $carrier (printf "%s_file" .) (printf "%s/carrier_%s" $at .) }}{{ end -}}
{{- $packs := list -}}
{{- range $v.line.packs }}{{ $packs = append $packs . }}{{ end -}}
{{- $line := dict "slug" $v.line.slug "number" $v.line.number "numbers" $v.line.numbers "packs" $packs "carrier" $carrier "staff" $v.line.staff -}}
{{- if $v.line.calendar.address -}}
{{- $_ := set $line "calendar" (dict "address_file" (printf "%s/calendar_address" $at)) -}}
{{- else if $v.line.calendar.file -}}
{{- $_ := set $line "calendar" (dict "file" (printf "/etc/quietline/%s" $v.line.calendar.file)) -}}
{{- end -}}
{{- $call := dict -}}
{{- if $v.line.onCall.webhook }}{{ $_ := set $call "webhook_file" (printf "%s/on_call_webhook" $at) }}{{ end -}}
{{- with $v.line.onCall.email -}}
{{- $email := omit . "password" -}}
{{- if .password }}{{ $_ := set $email "password_file" (printf "%s/on_call_mail_password" $at) }}{{ end -}}
{{- $_ := set $call "email" $email -}}
{{- end -}}
{{- if $call }}{{ $_ := set $line "on_call" $call }}{{ end -}}
{{- $config := dict "data_dir" "/var/lib/quietline/line" "homeserver" $homeserver "lines" (list $line) "quiet_hours" $v.quietHours "log_level" $v.logLevel -}}
{{- $_ := set $config "listen" (dict "host" .host "port" (int .port) "public_base_url" $v.publicUrl) -}}
{{- $_ := set $config "keys" (dict "vault_key_file" (printf "%s/vault_key" $at) "index_key_file" (printf "%s/index_key" $at) "suppression_key_file" (printf "%s/suppression_key" $at)) -}}
{{- $database := dict "url_file" (printf "%s/database_url" $at) -}}
{{- if kindIs "invalid" $v.database.copiesKeptDays | not }}{{ $_ := set $database "copies_kept_days" (int $v.database.copiesKeptDays) }}{{ end -}}
{{- $_ := set $config "database" $database -}}
{{- if $v.metrics.enabled }}{{ $_ := set $config "metrics" (dict "listen" "0.0.0.0:9464" "exposed" true) }}{{ end -}}
{{- if $v.canary.enabled -}}
{{- $_ := set $config "canary" (dict "secret_file" (printf "%s/canary" $at) "localpart" $v.canary.localpart "every" $v.canary.every "slow" $v.canary.slow "limit" $v.canary.limit) -}}
{{- end -}}
{{- if $v.backup.enabled -}}
{{- $backup := dict "to" "/var/lib/quietline-backups" "passphrase_file" (printf "%s/backup_passphrase" $at) -}}
{{- with $v.backup.keep }}{{ $_ := set $backup "keep" . }}{{ end -}}
{{- $_ := set $config "backup" $backup -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The program, in a container. */}}
{{- define "quietline.program" -}}
[/opt/quietline/.venv/bin/python, -P, -m, deploy]
{{- end -}}

{{- define "quietline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "quietline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod may run, and what it is called by the cluster. */}}
{{- define "quietline.scheduling" -}}
serviceAccountName: {{ include "quietline.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A volume that one machine has: what needs it runs there. While the line is stopped no bridge says where that is. */}}
{{- define "quietline.beside" -}}
{{- if and (eq .Values.keys.mode "follows") (gt (int .Values.replicas) 0) }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - labelSelector:
          matchLabels:
            {{- include "quietline.selector" . | nindent 12 }}
            app.kubernetes.io/component: bridge
        topologyKey: {{ .Values.topologyKey }}
{{- end }}
{{- end -}}

{{- define "quietline.pulls" -}}
{{- with .pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* One container's environment and places. `extra`: whether it sees backups and their passphrase. */}}
{{- define "quietline.environment" -}}
env:
  - {name: CREDENTIALS_DIRECTORY, value: /run/credentials}
volumeMounts:
  - {name: keys, mountPath: /var/lib/quietline}
  - {name: configuration, mountPath: /etc/quietline, readOnly: true}
  - {name: credentials, mountPath: /run/credentials, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if .extra }}
  - {name: backups, mountPath: /var/lib/quietline-backups}
  {{- end }}
{{- end -}}

{{- define "quietline.volumes" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $name := include "quietline.name" $root -}}
{{- $entries := (include "quietline.entries" $root | fromJson).entries -}}
{{- if .extra }}{{ $entries = append $entries "backup_passphrase" }}{{ end -}}
volumes:
  - name: keys
    persistentVolumeClaim: {claimName: {{ include "quietline.claim" $root }}}
  - name: configuration
    projected:
      sources:
        - configMap:
            name: {{ $name }}
            items:
              - {key: {{ .config }}, path: config.yaml}
        {{- with $v.line.packsFrom.configMap }}
        - configMap: {name: {{ . }}}
        {{- end }}
        {{- with $v.line.packsFrom.secret }}
        - secret: {name: {{ . }}}
        {{- end }}
        {{- with $v.database.ca.configMap }}
        - configMap: {name: {{ . }}, items: [{key: {{ $v.database.ca.key }}, path: database-ca.crt}]}
        {{- end }}
        {{- with $v.database.ca.secret }}
        - secret: {name: {{ . }}, items: [{key: {{ $v.database.ca.key }}, path: database-ca.crt}]}
        {{- end }}
  - name: credentials
    projected:
      defaultMode: 0440
      sources:
        {{- range $entries }}
        {{- $other := get $v.secrets.elsewhere . | default dict }}
        - secret:
            name: {{ $other.name | default $v.secrets.name }}
            items:
              - {key: {{ $other.key | default . | quote }}, path: {{ . }}}
        {{- end }}
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 64Mi}
  {{- if .extra }}
  - name: backups
    persistentVolumeClaim: {claimName: {{ $v.backup.existingClaim }}}
  {{- end }}
{{- end -}}

{{/* A job's pod: `component`, `arguments`, whether it needs backups, and what is called when it runs again. */}}
{{- define "quietline.jobPod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "quietline.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    quietline/asks: "yes"
    {{- with $root.Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with $root.Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: {{ .restart }}
  {{- include "quietline.scheduling" $root | nindent 2 }}
  {{- include "quietline.pulls" $root.Values.image | nindent 2 }}
  {{- include "quietline.beside" $root | nindent 2 }}
  securityContext: {{- include "quietline.podSecurity" $root | nindent 4 }}
  containers:
    - name: {{ .component }}
      image: {{ include "quietline.image" (dict "image" $root.Values.image "version" $root.Chart.AppVersion) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ include "quietline.program" $root }}
      args: {{ toJson .arguments }}
      securityContext: {{- include "quietline.containerSecurity" $root | nindent 8 }}
      resources: {{- toYaml $root.Values.resources | nindent 8 }}
      {{- include "quietline.environment" (dict "extra" .extra) | nindent 6 }}
  {{- include "quietline.volumes" (dict "root" $root "config" "jobs.yaml" "extra" .extra) | nindent 2 }}
{{- end -}}
