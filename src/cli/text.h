#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "control/schema.h"

/// Replies as people read them. Pure; every text ends with a newline.
namespace ipop::cli {

std::string text_of(const control::CreateReply& reply);
/// On a terminal: with the QR code where it fits `columns`, and what to do with it.
std::string text_of(const control::InviteReply& reply, UnixTime now, int columns);
std::string text_of(const control::JoinReply& reply);
std::string text_of(const control::LeaveReply& reply);
std::string text_of(const control::UpReply& reply);
std::string text_of(const control::DownReply& reply);
std::string text_of(const control::NetworksReply& reply);
std::string text_of(const control::StatusReply& reply, UnixTime now);
/// The closing summary.
std::string text_of(const control::PingReply& reply);
std::string text_of(const control::KickReply& reply, UnixTime now);
std::string text_of(const control::AdminReply& reply);
/// On a terminal: with the QR code that WireGuard's apps read, where it fits `columns`.
std::string text_of(const control::DeviceReply& reply, int columns);
std::string text_of(const control::NetcheckReply& reply);
/// The verdict first.
std::string text_of(const control::DoctorReply& reply);
std::string text_of(const control::VersionReply& reply);

/// One line for each; `member` is what the user called the one that is pinged.
std::string text_of(const control::Event& event, const std::string& member);

/// "ipop: what happened", and what to do next on a line of its own.
std::string text_of(const control::ControlError& error);
/// "!" lines; empty when there is nothing to say.
std::string text_of(const std::vector<control::Health>& health);

}  // namespace ipop::cli
