"""The users as Django's ORM sees them: a model on the table of the product, which it does not manage."""

from django.db import models


class User(models.Model):
    id = models.CharField(primary_key=True, max_length=36)
    email = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    occupation_code = models.CharField(max_length=20, null=True)
    education_level = models.CharField(max_length=50, null=True)
    years_experience = models.FloatField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    version = models.IntegerField()

    class Meta:
        managed = False
        db_table = "users"
