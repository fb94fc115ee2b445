from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from src.core.base.faults import Flaw
from src.core.base.names import url_flaw

OBJECT_URLS = ("s3_url", "sts_url", "gcs_url", "azure_blob_url")


class ObjectSettings(BaseSettings):
    """Where exports that are files are read from. No credential names one of these addresses."""

    s3_url: str = Field(
        default="https://s3.{region}.amazonaws.com",
        description="Where S3 is; {region} stands for that of an organisation's bucket, which is named in the path",
    )
    sts_url: str = Field(default="https://sts.{region}.amazonaws.com", description="Where roles of organisations are assumed, by region")
    gcs_url: str = Field(default="https://storage.googleapis.com", description="Where Google Cloud Storage is")
    azure_blob_url: str = Field(
        default="https://{account}.blob.core.windows.net",
        description="Where Azure Blob Storage is; {account} stands for the storage account",
    )
    object_folder: Path | None = Field(
        default=None, description="Folder of exports on this machine, where each organisation reads what lies in the folder of its slug"
    )
    object_timeout_seconds: float = Field(
        default=30.0, ge=0.1, le=600, description="How long object storage may say nothing in the middle of an answer"
    )
    platform_aws_access_key_id: str | None = Field(
        default=None,
        pattern=r"^[A-Z0-9]{16,128}$",
        description="The platform's own access key of AWS, which assumes roles of organisations",
    )
    platform_aws_secret_access_key: SecretStr | None = Field(default=None, description="The secret of that access key")

    @field_validator(*OBJECT_URLS)
    @classmethod
    def _address(cls, value: str) -> str:
        flaw = url_flaw(value)
        if flaw:
            raise ValueError(flaw)
        return value.rstrip("/")

    def object_flaws(self) -> list[Flaw]:
        found = []
        if (self.platform_aws_access_key_id is None) != (self.platform_aws_secret_access_key is None):
            missing = "PLATFORM_AWS_SECRET_ACCESS_KEY" if self.platform_aws_secret_access_key is None else "PLATFORM_AWS_ACCESS_KEY_ID"
            found.append(Flaw("is not set; set both PLATFORM_AWS_ACCESS_KEY_ID and PLATFORM_AWS_SECRET_ACCESS_KEY, or neither", missing))
        if self.object_folder is not None and not self.object_folder.is_dir():
            found.append(Flaw("names no folder; make it, or unset it", "OBJECT_FOLDER"))
        return found
