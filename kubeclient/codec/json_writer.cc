#include "kubeclient/codec/json_writer.h"

#include "kubeclient/base/duration.h"
#include "kubeclient/base/time_format.h"

namespace millrace::codec {

void JsonWriter::value(Time v) { append_json_string(*out_, format_time(v)); }
void JsonWriter::value(MicroTime v) { append_json_string(*out_, format_micro_time(v.time)); }
void JsonWriter::value(Duration v) { append_json_string(*out_, format_duration(v)); }

}  // namespace millrace::codec
